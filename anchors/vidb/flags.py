"""Texts to look at again: ranked against the level that was asked for, or in windows that fit badly.

Knows rankings, intensities and levels; judges nothing. A flag is a reason to read a text, not to drop it: a text of the
test or calibration split is replaced when it is broken, never for disagreeing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anchors.plackett_luce import log_likelihood
from anchors.vidb.rankings import Judged
from anchors.vidb.scale import Intensity, ValueFit
from anchors.vidb.texts import VidbText
from anchors.vidb.windows import MARKERS

CONTRADICTION = 8.0
"""Points between the level asked for and the fitted intensity."""
BAD_WINDOW = 3.0
"""Standard deviations below a value's mean log-likelihood by item."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One text on one value, and why it is to be looked at."""

    text: str
    value: str
    reason: str


def against_level(texts: Mapping[str, VidbText], rows: Iterable[Intensity]) -> Iterator[Flag]:
    """Rows whose intensity is far from the level that their writer was asked for."""
    for row in rows:
        level = texts[row.text].levels.get(row.value) if row.text in texts else None
        if level is not None and abs(level - row.intensity) >= CONTRADICTION:
            yield Flag(row.text, row.value, f"asked for {level:+g}, ranked at {row.intensity:+.1f}")


def bad_windows(rankings: Sequence[Judged], fits: Mapping[str, ValueFit]) -> Iterator[Flag]:
    """The texts of windows whose ranking is very improbable under the fit of all of them."""
    by_value: dict[str, list[Judged]] = defaultdict(list)
    for ranking in rankings:
        if ranking.value in fits:
            by_value[ranking.value].append(ranking)
    for value, judged in sorted(by_value.items()):
        fit = fits[value]
        number = {item: n for n, item in enumerate(fit.items)}
        orders = [[number[i] for i in r.order if i not in r.off and i in number] for r in judged]
        scores = np.array([log_likelihood(fit.fit.mean, [order]) / len(order) for order in orders])
        floor = scores.mean() - BAD_WINDOW * scores.std()
        for ranking, score in zip(judged, scores, strict=True):
            if score < floor:
                for text in ranking.order:
                    if text in number and text not in MARKERS and text not in ranking.off:
                        yield Flag(text, value, f"window {ranking.window} fits badly ({score:.2f} nats an item)")
