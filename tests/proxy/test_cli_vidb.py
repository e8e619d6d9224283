"""A VIDB of one's own, from `vidb new` to an exported table, as a user makes it on the command line."""

import json
from pathlib import Path

import pytest

from anchors.vidb.texts import read_jsonl
from tests.proxy.test_cli import valueflow

VALUE = "house/thrift"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = valueflow("vidb", "new", str(tmp_path / "set"))
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "set"
    rows = [
        {"id": f"t{n}", "register": "statement", "topic": "kitchen" if n % 2 else "travel", "writer": "me",
         "text": f"Statement number {n} of sixteen.", "values": [VALUE]}
        for n in range(16)
    ]  # fmt: skip
    (folder / "texts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return folder


def rank(folder: Path, round_: str, judge: str) -> Path:
    """What a judge would write who finds a higher number more thrifty."""
    lines = []
    for _, window in read_jsonl(folder / "windows.jsonl"):
        if window["round"] != round_:
            continue
        letters = dict(zip("ABCDEFGH", window["texts"], strict=True))
        order = sorted(letters, key=lambda letter: -int(letters[letter][1:]))
        lines.append(f"{window['id']}: 5 {' '.join(order[:2])} 4 {' '.join(order[2:4])} 3 {' '.join(order[4:6])} 2 "
                     f"{' '.join(order[6:])} 1 | off: -")  # fmt: skip
    path = folder.parent / f"{judge}.txt"
    path.write_text("\n".join(lines))
    return path


def test_from_nothing_to_a_table(folder: Path) -> None:
    assert valueflow("vidb", "windows", str(folder), "--round", "r1").returncode == 0
    sheet = (folder / "r1-01.sheet.txt").read_text()
    assert "spending little" in sheet
    assert "Statement number 3 of sixteen." in sheet
    again = valueflow("vidb", "windows", str(folder), "--round", "r1")
    assert again.returncode == 1
    assert "is there already" in again.stderr
    for judge in ("ann", "bob"):
        took = valueflow("vidb", "import-rankings", str(folder), str(rank(folder, "r1", judge)), "--judge", judge)
        assert took.returncode == 0, took.stderr
    twice = valueflow("vidb", "import-rankings", str(folder), str(rank(folder, "r1", "ann")), "--judge", "ann")
    assert "has read text" in twice.stderr
    assert valueflow("vidb", "fit", str(folder)).returncode == 0
    out = folder.parent / "out.csv"
    assert valueflow("vidb", "export", str(folder), str(out)).returncode == 0
    assert len(out.read_text().splitlines()) == 17
    rows = [row for _, row in read_jsonl(folder / "intensities.jsonl")]
    by_number = sorted(rows, key=lambda row: int(row["text"][1:]))
    assert by_number[-1]["intensity"] > 4 > by_number[0]["intensity"]
    assert {row["windows"] for row in rows} == {2}
    assert valueflow("vidb", "windows", str(folder), "--round", "r2", "--adaptive").returncode == 0
    thin = valueflow("vidb", "check", str(folder), "--quick")
    assert thin.returncode == 1
    assert "has 16 texts, 200 are wanted" in thin.stdout


def test_a_broken_set_is_refused_with_its_file(folder: Path) -> None:
    (folder / "texts.jsonl").write_text('{"id": "t1"}\n')
    found = valueflow("vidb", "windows", str(folder), "--round", "r1")
    assert found.returncode == 1
    assert "texts.jsonl:1: register: missing" in found.stderr


def test_an_order_that_is_no_permutation_is_refused_with_its_line(folder: Path) -> None:
    valueflow("vidb", "windows", str(folder), "--round", "r1")
    path = rank(folder, "r1", "ann")
    path.write_text(path.read_text().replace("5 ", "5 5 ", 1))
    found = valueflow("vidb", "import-rankings", str(folder), str(path), "--judge", "ann")
    assert found.returncode == 1
    assert "ann.txt:1: window" in found.stderr
    assert not (folder / "rankings.jsonl").exists()


def test_a_table_comes_in(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("text,value,intensity\nWaste not.,house/thrift,7\nSpend it all.,house/thrift,-6.5\n")
    assert valueflow("vidb", "import", str(table), str(tmp_path / "set")).returncode == 0
    assert (tmp_path / "set" / "manifest.json").exists()
