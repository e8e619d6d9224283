"""`valueflow eval` as a user calls it, on a small part of the VIDB."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from proxy.cli.main import app
from tests.proxy.small_vidb import write_small_vidb


def valueflow(*arguments: str) -> Result:
    """In this process: the command is long, and loading everything anew for each call would double it."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vidb")
    write_small_vidb(folder)
    return folder


def test_the_tables_and_plots_of_a_split(folder: Path, tmp_path: Path) -> None:
    arguments = ("--vidb", str(folder), "--split", "calibration", "--threads", "1", "--json", "--plots", str(tmp_path))
    shown = valueflow("eval", *arguments)
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert {p.name for p in tmp_path.iterdir()} == {"calibration.png", "error.png", "values.png", "coverage.png"}
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in tmp_path.iterdir())
    assert set(found) >= {"methods", "registers", "coverage", "deciles"}
    ours = found["methods"]["valueflow"]
    assert found["methods"]["value-blind"]["coverage"] is None
    assert sum(register["rows"] for register in found["registers"].values()) == ours["rows"]
    assert sum(cell["rows"] for of in found["coverage"].values() for cell in of.values()) == ours["rows"]
    assert len(found["deciles"]) == 10
    assert found["paraphrases"]["pairs"] > 0
    assert "NaN" not in shown.stdout
    pairwise = [register["pairwise"]["value"] for register in found["registers"].values()]
    known = [share for share in pairwise if share is not None]
    assert known == sorted(known) == pairwise[: len(known)]


def test_a_writer_is_left_out(folder: Path) -> None:
    shown = valueflow(
        "eval", "--vidb", str(folder), "--split", "calibration", "--threads", "1", "--leave-out", "writer", "--json"
    )
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)["left_out"]
    assert "smollm2-135m" in found
    for sides in found.values():
        assert sides["with"]["rows"] == sides["without"]["rows"] >= 8
        assert sides["with"]["mae"] != sides["without"]["mae"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--leave-out", "topic"], "--leave-out: expected writer, register, value, found 'topic'"),
        (["--split", "panel"], "--split: expected test or calibration, found 'panel'"),
        (["--vidb", "nowhere"], "nowhere/manifest.json"),
        (["--public", "nowhere"], "nowhere/ethics_virtue_mapped.csv.gz"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], message: str) -> None:
    found = valueflow("eval", *arguments)
    assert found.exit_code == 1
    assert message in found.stderr
    assert isinstance(found.exception, SystemExit)
