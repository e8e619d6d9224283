"""What a good set must not have: copied phrases, near-duplicates across splits, questions in two splits, thin values.

Knows texts and, for near-duplicates, an encoder; nothing of intensities.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from anchors.encoder import Encode
from anchors.vidb.texts import VidbText

RUN = 8
NEAR = 0.92
ENOUGH = 200
_WORD = re.compile(r"[a-z0-9']+")


def shared_runs(texts: Mapping[str, VidbText]) -> Iterator[str]:
    """Pairs of texts of one value that share a run of eight words; minimal pairs are meant to, models' outputs may."""
    written = [t for t in texts.values() if t.register != "output"]
    first: dict[tuple[str, str], str] = {}
    told: set[tuple[str, str]] = set()
    for text in written:
        words = _WORD.findall(text.text.lower())
        for at in range(len(words) - RUN + 1):
            run = " ".join(words[at : at + RUN])
            for value in text.values:
                other = first.setdefault((value, run), text.id)
                pair = (other, text.id)
                if other == text.id or pair in told or text.pair_of == other or texts[other].pair_of == text.id:
                    continue
                told.add(pair)
                yield f"{other} and {text.id} share '{run}'"


def questions_in_two_splits(texts: Mapping[str, VidbText]) -> Iterator[str]:
    """Questions that occur in more than one split."""
    found: dict[str, set[str]] = defaultdict(set)
    for text in texts.values():
        if text.question:
            found[text.question].add(text.split)
    yield from (f"'{q}' is in {', '.join(sorted(s))}" for q, s in found.items() if len(s) > 1)


def thin_values(texts: Mapping[str, VidbText]) -> Iterator[str]:
    """Values with fewer than 200 texts."""
    counts = Counter(v for text in texts.values() for v in text.values)
    yield from (f"{v} has {n} texts, {ENOUGH} are wanted" for v, n in sorted(counts.items()) if n < ENOUGH)


def near_duplicates(texts: Mapping[str, VidbText], encode: Encode) -> Iterator[str]:
    """Texts of different splits whose cosine is above NEAR."""
    listed = list(texts.values())
    vectors = encode([t.text for t in listed]).embedding
    for start in range(0, len(listed), 1024):
        close = vectors[start : start + 1024] @ vectors.T
        for a, b in zip(*np.nonzero(close > NEAR), strict=True):
            one, other = listed[start + int(a)], listed[int(b)]
            if one.id < other.id and one.split != other.split:
                yield f"{one.id} ({one.split}) and {other.id} ({other.split}) are {close[a, b]:.3f} alike"
