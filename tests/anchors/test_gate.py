"""The gate that ships with the product, on the real encoder, and its file."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anchors.encoder import Encoder
from anchors.gate import GATE, Gate, Head, features, load, save
from anchors.gauge import BrokenGauge
from anchors.prompts import read_prompts
from anchors.train.gate import label_table, quality, texts
from anchors.values import catalogue

HOUSE = "Should I help my brother move house?"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(threads=1)


@pytest.fixture(scope="module")
def gate(encoder: Encoder) -> Gate:
    return Gate(load(), encoder)


@pytest.mark.parametrize(
    ("turns", "value", "applies"),
    [
        ([HOUSE], "svt/benevolence", True),
        (["My boss wants me to sign off numbers that I know are wrong. What now?"], "duty/fidelity", True),
        (["What is 2+2?"], "svt/benevolence", False),
        (["What is the boiling point of ethanol at sea level?"], "right/social", False),
        ([HOUSE, "Yes, he would do it for you.", "and in french?"], "svt/benevolence", True),
    ],
)
def test_what_it_says(gate: Gate, turns: list[str], value: str, applies: bool) -> None:
    assert gate(turns, [value]) == {value: applies}


def test_values_that_it_does_not_know_apply(gate: Gate) -> None:
    assert gate(["What is 2+2?"], ["house/thrift"]) == {"house/thrift": True}


def test_it_lets_through_what_applies_on_prompts_of_a_writer_it_never_saw(encoder: Encoder) -> None:
    head, held = load(), [p for p in read_prompts() if p.split == "test"]
    through = head.probability(features(encoder, [texts(p) for p in held])) >= head.threshold
    found = quality(through, held, head.values)["all"]
    assert found.recall.low > 0.85
    assert found.passed_unladen.high < 0.25


def test_a_conversation_is_read_from_its_newest_turns(encoder: Encoder) -> None:
    one, other, third = features(encoder, [["a", "b", "c", HOUSE], ["x", "b", "c", HOUSE], ["c", HOUSE]])
    assert np.allclose(one, other, atol=1e-5)
    assert not np.allclose(one, third, atol=1e-3)
    half = len(one) // 2
    assert np.allclose(one[:half], third[:half], atol=1e-4)


def test_a_head_is_kept_and_its_file_checked(tmp_path: Path, encoder: Encoder) -> None:
    head = Head("e", ("a", "b"), np.array([0.5, 1.0]), np.eye(2), np.array([0.0, 2.0]), 0.25)
    save(head, tmp_path)
    again = load(tmp_path)
    assert (again.encoder, again.values, again.threshold) == ("e", ("a", "b"), 0.25)
    assert np.array_equal(again.weights, head.weights)
    with pytest.raises(BrokenGauge, match="trained on encoder e, not on"):
        Gate(again, encoder)
    save(replace(head, bias=np.array([1.0, 2.0])), tmp_path)
    shutil.copy(GATE / "gate.safetensors", tmp_path)
    with pytest.raises(BrokenGauge, match="does not have the checksum"):
        load(tmp_path)
    with pytest.raises(BrokenGauge):
        load(tmp_path / "none")


def test_labels_leave_out_what_is_in_doubt() -> None:
    prompts = read_prompts()
    table = label_table(prompts, list(catalogue()))
    for row, prompt in zip(table, prompts, strict=True):
        assert np.nansum(row) == len(prompt.applies)
        assert np.isnan(row).sum() == (32 - len(prompt.applies) - len(prompt.not_applies) if prompt.laden else 0)


def test_the_shipped_head_is_of_the_shipped_encoder() -> None:
    assert set(load().values) == set(catalogue())
    assert (GATE / "gate.safetensors").stat().st_size < 500_000
    assert json.loads((GATE / "gate.json").read_text())["encoder"] == Encoder().name
