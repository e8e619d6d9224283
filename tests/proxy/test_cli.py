"""The `valueflow` command as a user calls it, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anchors.gauge import load
from anchors.values import GAUGE
from proxy.wires.seal import Seal

TEXT = "Drop what you are doing and sit with your sister tonight."


def valueflow(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy.cli.main", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"COLUMNS": "160"} | env,
    )


def test_score_prints_a_table_and_json() -> None:
    shown = valueflow("score", TEXT, "--values", "benevolence,power", "--explain")
    assert shown.returncode == 0
    assert "svt/benevolence" in shown.stdout
    assert "svt/power below: " in shown.stdout or "svt/power above: " in shown.stdout
    found = json.loads(valueflow("score", TEXT, "--values", "power", "--json").stdout)
    assert set(found["scores"]["svt/power"]) == {"intensity", "sd", "low", "high", "relevance"}


def test_score_explains_by_sentences_on_request() -> None:
    two = "Sit with your sister tonight; she needs you. Nobody but you matters, so let her cry."
    found = json.loads(valueflow("score", two, "--values", "care", "--json", "--explain").stdout)
    evidence = found["evidence"]["mft/care"]
    assert [one["sentence"] for one in evidence["sentences"]] == [two[:44], two[45:]]
    assert {"id", "text", "intensity"} <= set(evidence["below"] or evidence["above"])
    shown = valueflow("score", two, "--values", "care", "--explain").stdout
    strongest = max(evidence["sentences"], key=lambda one: abs(one["push"]))
    assert f"mft/care {'up' if strongest['push'] > 0 else 'down'}: {strongest['push']:+.1f}" in shown
    refused = valueflow("score", "--jsonl", "-", "--explain", stdin="")
    assert (refused.returncode, "--explain is for one text" in refused.stderr) == (1, True)


def test_score_jsonl_keeps_order_and_says_what_is_unscored(tmp_path: Path) -> None:
    rows = [
        {"text": TEXT, "values": ["svt/benevolence", "svt/power"]},
        {"text": " ", "values": ["mft/care"]},
        {"text": "Keep it.", "question": "Shall I share?", "values": ["care"]},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in rows))
    rows_out = [json.loads(line) for line in valueflow("score", "--jsonl", str(path)).stdout.splitlines()]
    assert {row["evaluator"] for row in rows_out} == {f"{load(GAUGE).version}-provisional"}
    lines = [row["scores"] for row in rows_out]
    assert [list(scores) for scores in lines] == [["svt/benevolence", "svt/power"], ["mft/care"], ["mft/care"]]
    assert lines[1]["mft/care"] == {"unscored": "empty"}
    assert lines[2]["mft/care"]["sd"] > 0
    piped = valueflow("score", "--jsonl", "-", stdin=path.read_text())
    assert [json.loads(line)["scores"] for line in piped.stdout.splitlines()] == lines


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "in.jsonl:1: not JSON"),
        ('{"values": ["care"]}', "in.jsonl:1: text: must be a string"),
        ('{"text": "x"}', "in.jsonl:1: values: must be a list"),
        ('{"text": "x", "values": ["carre"]}', "unknown value 'carre'; did you mean care"),
        ('{"text": "x", "values": [], "question": 3}', "in.jsonl:1: question: must be a string"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(line)
    found = valueflow("score", "--jsonl", str(path))
    assert found.returncode == 1
    assert message in found.stderr


def test_check_names_every_problem(tmp_path: Path) -> None:
    assert valueflow("check", "policies/examples").returncode == 0
    (tmp_path / "a.yaml").write_text("tenant: a\ntargets:\n  power: {min: 1, max: 2, hard: true}\n")
    advised = valueflow("check", str(tmp_path))
    assert (advised.returncode, "A min or max alone is often the better form" in advised.stderr) == (0, True)
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "a.yaml").write_text("tenant: a\nmode: never\n")
    found = valueflow("check", str(tmp_path))
    assert found.returncode == 1
    assert f"{tmp_path}/a.yaml:2: mode" in found.stderr
    (tmp_path / "a.yaml").write_text(
        "tenant: a\nstream: window\non_miss: error\ntargets: {care: {min: 1, hard: true}}\n"
    )
    assert "on_miss: error" in valueflow("check", str(tmp_path)).stderr


def test_a_key_is_made_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    database = {"VALUEFLOW_DATABASE": f"sqlite+aiosqlite:///{tmp_path}/sub/keys.db"}
    made = valueflow("keys", "new", "acme", **database)
    key = made.stdout.strip()
    assert key.startswith("vf-")
    listed = valueflow("keys", "list", **database).stdout
    assert key not in listed
    identifier = next(
        word for line in listed.splitlines() if "acme" in line for word in line.split() if len(word) == 12
    )
    assert valueflow("keys", "revoke", identifier, **database).returncode == 0
    assert valueflow("keys", "revoke", identifier, **database).returncode == 1
    assert valueflow("keys", "new", "nobody", **database).returncode == 1


def test_reading_makes_no_database(tmp_path: Path) -> None:
    database = {"VALUEFLOW_DATABASE": f"sqlite+aiosqlite:///{tmp_path}/sub/t.db"}
    for command in (("curves",), ("report", "acme"), ("keys", "list")):
        found = valueflow(*command, **database)
        assert (found.returncode, "there is no database" in found.stderr) == (1, True)
    assert not (tmp_path / "sub").exists()


def test_a_gauge_model_is_refused_before_anything_is_loaded() -> None:
    for command in (("serve",), ("score", TEXT)):
        found = valueflow(*command, VALUEFLOW_GAUGE_MODEL="nobody", VALUEFLOW_ENCODER="/no/such/encoder")
        assert (found.returncode, "VALUEFLOW_GAUGE_MODEL: model 'nobody'" in found.stderr) == (1, True)


def test_bad_settings_are_named() -> None:
    found = valueflow("serve", VALUEFLOW_PORT="99999", VALUEFLOW_HOST="0.0.0.0")
    assert found.returncode == 1
    assert "VALUEFLOW_PORT" in found.stderr
    assert "VALUEFLOW_DEMO=false" in valueflow("serve", VALUEFLOW_HOST="0.0.0.0").stderr


def test_a_model_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text("models:\n  m: {kind: openai, model: x}\n")
    database = f"sqlite+aiosqlite:///{tmp_path}/k.db"
    found = valueflow("serve", VALUEFLOW_MODELS=str(path), VALUEFLOW_DATABASE=database)
    assert found.returncode == 1
    assert "models.m.openai.base_url" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(tmp_path: Path, signal_: signal.Signals) -> None:
    path = tmp_path / "models.yaml"
    path.write_text("models:\n  m: {kind: openai, base_url: 'http://127.0.0.1:9/v1', model: x}\n")
    env = os.environ | {
        "VALUEFLOW_MODELS": str(path), "VALUEFLOW_DATABASE": f"sqlite+aiosqlite:///{tmp_path}/k.db",
        "VALUEFLOW_PORT": "0", "VALUEFLOW_ADMIN_PORT": "0",
    }  # fmt: skip
    command, pipe = [sys.executable, "-u", "-m", "proxy.cli.main", "serve"], subprocess.PIPE
    with subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        until = time.monotonic() + 60
        while "ready" not in (line := server.stdout.readline()):
            assert line or server.poll() is None
            assert time.monotonic() < until
        server.send_signal(signal_)
        _, errors = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "Traceback" not in errors


def test_seal_gives_the_id_that_the_tenant_may_name() -> None:
    shown = valueflow("seal", "acme", "conv_1", VALUEFLOW_SEAL_SECRET="s")
    assert shown.stdout.strip() == Seal(b"s", "acme").close("conv_1")
    assert "VALUEFLOW_SEAL_SECRET" in valueflow("seal", "acme", "conv_1", VALUEFLOW_SEAL_SECRET="").stderr
    assert "no policy" in valueflow("seal", "nobody", "conv_1", VALUEFLOW_SEAL_SECRET="s").stderr
