import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from policies.load import InvalidPolicies
from proxy.product import checked_policies
from proxy.settings import Settings, is_loopback, unknown_variables

README = Path("README.md")


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| `VALUEFLOW_([A-Z_]+)` \| `([^`]*)` \|", README.read_text("utf-8"), re.MULTILINE)
    return {name.lower(): default for name, default in rows}


def test_the_readme_lists_every_setting_with_its_default() -> None:
    fields = {
        name: ("true" if field.default is True else "false" if field.default is False else str(field.default))
        for name, field in Settings.model_fields.items()
    }
    assert documented() == fields


def test_a_variable_changes_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUEFLOW_PORT", "9999")
    assert Settings(_env_file=None).port == 9999


def test_what_is_no_setting_is_told_with_the_nearest_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert not unknown_variables()
    (tmp_path / ".env").write_text("VALUEFLOW_GAGE_MODEL=m\nOTHER=1\n")
    monkeypatch.setenv("VALUEFLOW_PORTS", "9999")
    monkeypatch.setenv("VALUEFLOW_ZZZZZZ", "1")
    assert unknown_variables() == [
        "VALUEFLOW_GAGE_MODEL is no setting; did you mean VALUEFLOW_GAUGE_MODEL?",
        "VALUEFLOW_PORTS is no setting; did you mean VALUEFLOW_PORT?",
        "VALUEFLOW_ZZZZZZ is no setting",
    ]


def test_the_demo_key_is_refused_beyond_loopback() -> None:
    with pytest.raises(ValidationError, match="VALUEFLOW_DEMO=false"):
        Settings(_env_file=None, host="0.0.0.0")
    assert not Settings(_env_file=None, host="0.0.0.0", demo=False).demo


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("db", False)],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_ranges_below_a_floor_need_the_operators_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.yaml").write_text("tenant: a\ntargets:\n  care: {max: 2, hard: true}\n")
    with pytest.raises(InvalidPolicies, match=r"a.yaml:3: targets.care: reaches below the safety floor of -3"):
        checked_policies(Settings(_env_file=None, policies=tmp_path))
    with pytest.raises(InvalidPolicies):
        checked_policies(Settings(_env_file=None, policies=tmp_path, floor_exceptions={"a/mft/care": " "}))
    allowed = Settings(_env_file=None, policies=tmp_path, floor_exceptions={"a/mft/care": "a villain for a game"})
    assert "a" in checked_policies(allowed)
    assert "a villain for a game" in caplog.text
