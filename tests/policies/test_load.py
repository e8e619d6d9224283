"""Every malformed file is refused with its file, line and field."""

from pathlib import Path

import pytest

from policies.load import InvalidPolicies, load_file, load_folder

GOOD = "tenant: acme\ntargets:\n  benevolence: {target: 6, tolerance: 2, hard: true}\n"


def write(folder: Path, text: str | bytes, name: str = "p.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_contract_of_the_design(tmp_path: Path) -> None:
    policy = load_file(
        write(
            tmp_path,
            "tenant: acme\ntargets:\n  benevolence: {target: 6, tolerance: 2, hard: true}\n  svt/power: {max: 2}\n"
            "mode: enforce\nattempts: 3\nbudget: {seconds: 45, tokens: 6000}\naccept: 0.7\non_miss: best\n"
            "on_unscored: pass\napply: relevant\nstream: buffer\nrollout: 100%\nrecord_text: none\n",
        )
    )
    assert policy.targets["svt/benevolence"].range == (4, 8)
    assert policy.targets["svt/power"].range == (float("-inf"), 2)
    assert list(policy.hard) == ["svt/benevolence"]
    assert (policy.rollout, policy.attempts, policy.budget.tokens) == (1.0, 3, 6000)


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("", 1, "", "found empty"),
        ("- a\n- b\n", 1, "", "expected a mapping"),
        ("tenant: [acme\n", 2, "", "not valid YAML"),
        ("tenant: acme\ntenant: b\n", 2, "", "not valid YAML"),
        (b"tenant: \xff\xfe\n", 1, "", "not UTF-8"),
        ("targets:\n  power: {max: 2}\nmode: steer\n", 1, "tenant", "is required"),
        (GOOD.replace("acme", "Acme Corp"), 1, "tenant", "pattern"),
        (GOOD + "attempt: 2\n", 4, "attempt", "did you mean 'attempts'"),
        (GOOD + "attempts: 0\n", 4, "attempts", "greater than or equal to 1"),
        (GOOD + "attempts: many\n", 4, "attempts", "valid integer"),
        (GOOD + "mode: maybe\n", 4, "mode", "'enforce', 'steer', 'monitor' or 'off'"),
        (GOOD + "rollout: 30\n", 4, "rollout", "percentage"),
        (GOOD + "rollout: 130%\n", 4, "rollout", "less than or equal to 1"),
        (GOOD + "accept: 1.5\n", 4, "accept", "less than 1"),
        (GOOD + "budget: {seconds: -1}\n", 4, "budget.seconds", "greater than 0"),
        (GOOD + "budget: {second: 1}\n", 4, "budget.second", "did you mean 'seconds'"),
        (GOOD + "  benevolance: {max: 1}\n", 4, "targets.benevolance", "did you mean benevolence"),
        (GOOD + "  svt/benevolence: {max: 1}\n", 2, "targets", "a second time"),
        (GOOD + "  care: {taget: 1}\n", 4, "targets.care.taget", "did you mean 'target'"),
        (GOOD + "  care: {}\n", 4, "targets.care", "either target and tolerance, or min and/or max"),
        (GOOD + "  care: {target: 3}\n", 4, "targets.care", "go together"),
        (GOOD + "  care: {min: 4, max: 1}\n", 4, "targets.care", "min must be below max"),
        (GOOD + "  care: {max: 11}\n", 4, "targets.care.max", "less than or equal to 10"),
        (GOOD + "  care: {max: .nan}\n", 4, "targets.care.max", "finite"),
        (
            GOOD + "".join(f"  {v}: {{max: 1, hard: true}}\n" for v in ("care", "power", "face")),
            2,
            "targets",
            "at most 3",
        ),
        ("tenant: a\nmode: enforce\ntargets:\n  power: {max: 1}\n", 1, "", "at least one hard target"),
        ("tenant: a\nmode: steer\n", 1, "", "at least one target"),
        (GOOD + "stream: window\non_miss: error\n", 1, "", "stream: window"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str | bytes, line: int, field: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidPolicies) as caught:
        load_file(path)
    problem = caught.value.problems[0]
    assert (problem.path, problem.line, problem.field) == (path, line, field)
    assert message in problem.message
    assert str(problem).startswith(f"{path}:{line}: ")


def test_a_folder_names_the_problems_of_all_files(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "a.yaml")
    write(tmp_path, GOOD, "b.yaml")
    write(tmp_path, "tenant: c\n", "c.yml")
    with pytest.raises(InvalidPolicies) as caught:
        load_folder(tmp_path)
    assert [(p.path.name, p.field) for p in caught.value.problems] == [("b.yaml", "tenant"), ("c.yml", "")]


def test_what_is_no_folder_of_policies_is_told(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    (tmp_path / "empty").mkdir()
    for folder, message in (
        (tmp_path / "empty", r"empty: no policy files"),
        (tmp_path / "none", r"none: there is no such folder"),
        (file, r"is a file: give the folder"),
    ):
        with pytest.raises(InvalidPolicies, match=message):
            load_folder(folder)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicies, match="larger than 256 KiB"):
        load_file(write(tmp_path, GOOD + "#" * 300_000))


def test_equal_policies_have_equal_versions_and_others_differ(tmp_path: Path) -> None:
    first = load_file(write(tmp_path, GOOD))
    same = load_file(write(tmp_path, "# a comment\n" + GOOD + "attempts: 3\n"))
    other = load_file(write(tmp_path, GOOD + "attempts: 4\n"))
    assert first.version == same.version != other.version


def test_the_example_policies_load() -> None:
    assert "acme" in load_folder(Path("policies/examples"))


def test_a_rule_of_the_operators_names_file_line_and_field(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "  mft/care: {max: 1}\n", "a.yaml")
    with pytest.raises(InvalidPolicies) as caught:
        load_folder(tmp_path, lambda policy: {"mft/care": "is too low"})
    assert [str(p) for p in caught.value.problems] == [f"{path}:4: targets.mft/care: is too low"]
    path.write_text(GOOD)
    with pytest.raises(InvalidPolicies, match=r"a.yaml:3: targets.benevolence: no"):
        load_folder(tmp_path, lambda policy: {"svt/benevolence": "no"})
