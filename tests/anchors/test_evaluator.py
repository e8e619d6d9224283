"""The evaluator with the real encoder and the shipped gauge."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from anchors.encoder import Encoder
from anchors.evaluator import Evaluator, Text
from anchors.gauge import BrokenGauge, load, save
from anchors.panel import BINS, PER_BIN, Panel
from anchors.reader import StanceReader
from anchors.score import Score, Unscored

WARM = Text("Drop what you are doing and sit with your sister tonight; the report can wait, she cannot.")
COLD = Text("Your sister's troubles are her own. Finish the report and let her sort herself out.")


def test_a_score_is_complete_and_deterministic(evaluator: Evaluator) -> None:
    first, second = (evaluator.evaluate([WARM, COLD], ["svt/benevolence", "svt/power"]) for _ in range(2))
    assert first == second
    found = first[0]["svt/benevolence"]
    assert isinstance(found, Score)
    assert found.low < found.intensity < found.high
    assert found.sd > 0
    assert 0 <= found.relevance <= 1


def test_evidence_lies_on_both_sides(evaluator: Evaluator) -> None:
    found = evaluator.evaluate([WARM], ["svt/benevolence"])[0]["svt/benevolence"]
    assert isinstance(found, Score)
    assert found.below is None or found.below.intensity <= found.intensity
    assert found.above is None or found.above.intensity > found.intensity
    assert found.below or found.above


def test_a_batch_scores_each_text_as_if_alone(evaluator: Evaluator) -> None:
    together = evaluator.evaluate([WARM, COLD], ["svt/benevolence"])
    for text, found in zip([WARM, COLD], together, strict=True):
        alone = evaluator.evaluate([text], ["svt/benevolence"])[0]["svt/benevolence"]
        assert isinstance(alone, Score)
        assert found["svt/benevolence"].intensity == pytest.approx(alone.intensity, abs=0.1)  # bfloat16 rounds by batch


@pytest.mark.parametrize(
    ("text", "reason"), [("", "empty"), (" \n", "empty"), ("x" * 300_000, "too_long")], ids=["empty", "blank", "huge"]
)
def test_what_cannot_be_scored_says_why(evaluator: Evaluator, text: str, reason: str) -> None:
    found = evaluator.evaluate([Text(text), WARM], ["svt/power"])
    assert found[0]["svt/power"] == Unscored(reason)
    assert isinstance(found[1]["svt/power"], Score)


def test_a_value_without_anchors_is_an_error(evaluator: Evaluator) -> None:
    with pytest.raises(KeyError, match="no anchors for svt/none"):
        evaluator.evaluate([WARM], ["svt/none"])


def test_a_gauge_of_another_encoder_is_refused(evaluator: Evaluator, encoder: Encoder, reader: StanceReader) -> None:
    with pytest.raises(BrokenGauge, match="was trained on encoder other"):
        Evaluator(encoder, replace(evaluator.gauge, encoder="other"), reader)


def test_the_panel_is_of_the_value_and_spread_over_bins(evaluator: Evaluator, encoder) -> None:
    gauge = evaluator.gauge
    value = gauge.values.index("svt/benevolence")
    panel = Panel(gauge).find(encoder([WARM.text]).embedding, value)[0]
    assert set(gauge.anchor_value[panel]) == {value}
    counts = np.bincount(np.digitize(gauge.anchor_intensity[panel], BINS[1:-1]), minlength=len(BINS) - 1)
    assert counts.max() <= PER_BIN
    assert (counts == PER_BIN).all()


def test_the_panel_holds_the_nearest_anchor_of_a_bin(evaluator: Evaluator, encoder) -> None:
    gauge = evaluator.gauge
    value = gauge.values.index("svt/power")
    query = encoder([WARM.text]).embedding[0]
    panel = Panel(gauge).find(query[None], value)[0]
    for low, high in pairwise(BINS):
        inside = (gauge.anchor_value == value) & (gauge.anchor_intensity >= low) & (gauge.anchor_intensity < high)
        if low != BINS[0] and high != BINS[-1] and inside.any():
            best = np.flatnonzero(inside)[np.argmax(gauge.anchor_embedding[inside] @ query)]
            assert best in panel


def test_a_saved_gauge_is_the_same_and_a_changed_one_is_refused(evaluator: Evaluator, tmp_path: Path) -> None:
    again = save(evaluator.gauge, tmp_path)
    assert again.version == evaluator.gauge.version
    for name in ("gauge.npz", "stance.safetensors"):
        save(evaluator.gauge, tmp_path)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b"x")
        with pytest.raises(BrokenGauge, match=f"{name} does not have the checksum"):
            load(tmp_path)
    with pytest.raises(BrokenGauge):
        load(tmp_path / "nowhere")
