"""Example texts for prompts: the short replies of the VIDB's `steer` split, which score, train and test nothing.

Knows the VIDB's files; nothing of prompts or doses.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from anchors.values import DATA
from anchors.vidb.scale import read_intensities
from anchors.vidb.texts import read_texts

WORDS = 90
"""Longer ones cost too much in a prompt."""
SPOKEN = 0.75
"""At least so many of the judges found the text to speak to the value."""


class Exemplar(NamedTuple):
    """One text, and its intensity on one value in points."""

    id: str
    text: str
    intensity: float


@cache
def exemplars(folder: Path = DATA / "vidb") -> Mapping[str, tuple[Exemplar, ...]]:
    """All of them by value, from the lowest intensity up; empty where there is no VIDB. Raises BrokenSet."""
    if not (folder / "intensities.jsonl").exists():
        return {}
    texts = {
        name: text
        for name, text in read_texts(folder).items()
        if text.split == "steer" and text.register == "reply" and len(text.text.split()) <= WORDS
    }
    found: dict[str, list[Exemplar]] = {}
    for row in read_intensities(folder):
        if row.text in texts and row.relevance >= SPOKEN:
            found.setdefault(row.value, []).append(Exemplar(row.text, texts[row.text].text, row.intensity))
    return {value: tuple(sorted(some, key=lambda e: (e.intensity, e.id))) for value, some in found.items()}
