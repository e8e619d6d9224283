import json
from pathlib import Path

import pytest

from anchors.vidb.exchange import COLUMNS, export, import_table
from anchors.vidb.manifest import verify
from anchors.vidb.scale import read_intensities
from anchors.vidb.texts import BrokenSet, read_texts

ROWS = [
    {"id": "a", "text": "Share the bread.", "value": "mft/care", "intensity": 6.5, "topic": "bread", "split": "panel"},
    {"id": "a", "text": "Share the bread.", "value": "svt/power", "intensity": -4, "topic": "bread", "split": "panel"},
    {"text": "Keep it all.", "value": "mft/care", "intensity": -7.25},
]


def table(folder: Path, rows: list[dict], ending: str = "jsonl") -> Path:
    path = folder / f"in.{ending}"
    path.write_text("\n".join(json.dumps(r) for r in rows))
    return path


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_what_goes_out_comes_in_again(tmp_path: Path, ending: str) -> None:
    assert import_table(table(tmp_path, ROWS), tmp_path / "one") == 3
    out = tmp_path / f"out.{ending}"
    assert export(tmp_path / "one", out) == 3
    assert import_table(out, tmp_path / "two") == 3
    for folder in ("one", "two"):
        verify(tmp_path / folder)
        assert {(r.text, r.value): r.intensity for r in read_intensities(tmp_path / folder)}["a", "svt/power"] == -4
    assert read_texts(tmp_path / "one") == read_texts(tmp_path / "two")


def test_exported_columns_are_the_published_ones(tmp_path: Path) -> None:
    import_table(table(tmp_path, ROWS), tmp_path / "one")
    export(tmp_path / "one", tmp_path / "out.jsonl")
    assert tuple(json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])) == COLUMNS


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"value": "v", "intensity": 1}, "row 1: text: missing"),
        ({"text": "x", "intensity": 1}, "row 1: value: missing"),
        ({"text": "x", "value": "v"}, "row 1: intensity: not a number"),
        ({"text": "x", "value": "v", "intensity": "high"}, "row 1: intensity: not a number"),
        ({"text": "x", "value": "v", "intensity": 30}, "row 1: intensity: 30 is not in"),
        ({"text": "x", "value": "v", "intensity": 1, "split": "train"}, "row 1: split: expected one of"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict, message: str) -> None:
    with pytest.raises(BrokenSet) as caught:
        import_table(table(tmp_path, [row]), tmp_path / "out")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_table_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenSet, match=r"unknown ending '\.xls'"):
        import_table(table(tmp_path, ROWS, "xls"), tmp_path / "out")


@pytest.mark.parametrize("name", ["texts.jsonl", "intensities.jsonl"])
def test_a_changed_or_missing_file_is_noticed(tmp_path: Path, name: str) -> None:
    import_table(table(tmp_path, ROWS), tmp_path / "one")
    path = tmp_path / "one" / name
    path.write_text(path.read_text().replace("6.5", "8.5").replace("Keep", "Take"))
    with pytest.raises(BrokenSet, match=name):
        verify(tmp_path / "one")
    path.unlink()
    with pytest.raises(BrokenSet, match="missing"):
        verify(tmp_path / "one")
