"""The labelled prompts: balanced, apart by writer, and told when they are broken."""

import json
from collections import Counter
from pathlib import Path

import pytest

from anchors.prompts import read_prompts
from anchors.vidb.texts import BrokenSet

GOOD = {
    "id": "a", "split": "train", "writer": 1, "kind": "fact", "applies": ["svt/power"], "not": ["mft/care"],
    "messages": [{"role": "user", "content": "Who is boss?"}],
}  # fmt: skip


def test_kinds_are_balanced_and_splits_are_writers() -> None:
    prompts = read_prompts()
    assert set(Counter((p.writer, p.kind, p.laden) for p in prompts).values()) == {10}
    assert {(p.writer, p.split) for p in prompts} == {(1, "train"), (2, "train"), (3, "test")}
    assert len({p.id for p in prompts}) == len(prompts) == 720


def test_no_conversation_of_the_test_stands_in_training_too() -> None:
    seen = {json.dumps(list(p.messages)) for p in read_prompts() if p.split == "train"}
    assert not [p.id for p in read_prompts() if p.split == "test" and json.dumps(list(p.messages)) in seen]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"applies": ["svt/pwoer"]}, "p.jsonl:1: unknown values: svt/pwoer"),
        ({"applies": ["mft/care"]}, "p.jsonl:1: a value both applies and does not"),
        ({"kind": None, "messages": None, "applies": None}, "p.jsonl:1"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(GOOD | change))
    with pytest.raises(BrokenSet, match=message):
        read_prompts(path)
