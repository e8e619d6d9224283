"""`valueflow train-hives` as a user calls it, on a small part of the VIDB."""

import json
from pathlib import Path

from tests.proxy.small_vidb import write_small_vidb
from tests.proxy.test_cli_evaluate import valueflow


def test_the_map_is_shown_beside_the_encoder_alone(tmp_path: Path) -> None:
    write_small_vidb(tmp_path)
    shown = valueflow("train-hives", "--vidb", str(tmp_path), "--split", "calibration", "--threads", "1", "--json")
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert set(found) == {"the encoder", "HiVES"}
    for figures in found.values():
        assert 0.3 < figures["ranking"] < 0.8
        assert {"svt", "mft"} <= set(figures["orthogonality"]) <= {"svt", "mft", "duty", "right"}
        assert 0 <= figures["same_side"]["value"] <= figures["same_value"]["value"] <= 1
    assert found["the encoder"]["ranking"] != found["HiVES"]["ranking"]


def test_what_is_wrong_is_named() -> None:
    for arguments, message in (
        (["--split", "panel"], "--split: expected test or calibration, found 'panel'"),
        (["--vidb", "nowhere"], "nowhere/manifest.json"),
    ):
        found = valueflow("train-hives", *arguments)
        assert found.exit_code == 1
        assert message in found.stderr
