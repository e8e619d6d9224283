"""`valueflow calibrate` and VALUEFLOW_GAUGE, with the shipped gauge and encoder."""

import csv
import json
import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from anchors.gauge import BrokenGauge, load
from anchors.values import DATA, GAUGE
from anchors.vidb.scale import read_intensities
from anchors.vidb.texts import read_texts
from proxy.cli.main import app
from tests.proxy.test_cli import TEXT


def valueflow(*arguments: str, gauge: str = "") -> Result:
    """In this process: each of its own would import torch again."""
    return CliRunner().invoke(app, arguments, env={"VALUEFLOW_GAUGE": gauge})


def numbers(path: Path) -> Path:
    """Labels of someone who finds every text 5 points more caring than the set does."""
    texts = read_texts(DATA / "vidb")
    rows = [r for r in read_intensities(DATA / "vidb") if r.value == "mft/care" and r.text in texts]
    held = [r for r in rows if texts[r.text].split == "calibration"][:40]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("text", "value", "intensity"), *((texts[r.text].text, "care", min(r.intensity + 5, 10)) for r in held)]
        )
    return path


def test_the_new_gauge_has_a_version_and_is_loaded(tmp_path: Path) -> None:
    out = tmp_path / "gauge"
    made = valueflow("calibrate", str(numbers(tmp_path / "labels.csv")), "--out", str(out))
    assert made.exit_code == 0, made.output
    for figure in ("pairwise", "mae", "coverage"):
        assert re.search(rf"mft/care +│ 40 +│ {figure} +│( -?[\d.]+ \[-?[\d.]+, -?[\d.]+\] +│){{3}}", made.stdout)
    gauge = load(out)
    assert f"gauge {gauge.version} in" in made.stdout
    assert gauge.version != load(GAUGE).version
    arguments = ("score", TEXT, "--values", "care,power", "--json")
    before, after = (json.loads(valueflow(*arguments, gauge=g).stdout) for g in ("", str(out)))
    assert after["evaluator"] == f"{gauge.version}-provisional"
    assert after["scores"]["mft/care"]["intensity"] > before["scores"]["mft/care"]["intensity"]
    assert after["scores"]["svt/power"] == before["scores"]["svt/power"]


def test_what_cannot_be_calibrated_is_told(tmp_path: Path) -> None:
    path, out = tmp_path / "labels.csv", tmp_path / "gauge"
    for labels, message in (
        ("text,value,intensity\nx,care,11\n", "labels.csv:2: intensity: 11 is not in [-10, 10]"),
        ("text,value,intensity\nx,care,1\n", "labels.csv: mft/care: labels of 1 different texts or pairs"),
    ):
        path.write_text(labels)
        found = valueflow("calibrate", str(path), "--out", str(out))
        assert found.exit_code == 1
        assert message in found.stderr
    assert not out.exists()
    over = valueflow("calibrate", str(path), "--out", str(GAUGE))
    assert (over.exit_code, "give another --out" in over.stderr) == (1, True)


def test_a_gauge_that_is_not_there_is_named(tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    for command in (("check", "policies/examples"), ("score", TEXT), ("eval",), ("serve",)):
        found = valueflow(*command, gauge=none)
        assert found.exit_code == 1
        assert f"VALUEFLOW_GAUGE: there is no gauge in the folder '{none}'" in found.stderr
    with pytest.raises(BrokenGauge, match="none: there is no gauge in this folder"):
        load(Path(none))
