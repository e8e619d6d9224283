"""A language model as the gauge: it ranks a text in a window of anchors, and the anchors say what the rank is worth.

Knows windows, anchors whose utilities are fixed, and a `Complete` that somebody hands in; nothing of where the model
runs, of tenants or of HTTP. VALUEFLOW (arXiv 2602.03160) measures in this way; it costs one completion a value.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anchors.encoder import Encode
from anchors.evaluator import MAX_CHARACTERS, Text
from anchors.gauge import Gauge
from anchors.panel import Panel
from anchors.score import Neighbour, Score, Unscored
from anchors.values import Catalogue
from anchors.vidb.judge import Complete, judge
from anchors.vidb.rankings import Judged
from anchors.vidb.texts import VidbText
from anchors.vidb.windows import MARKERS, WINDOW, Window

Floats = NDArray[np.float64]
TEXT = "text"
REACH = 6.0
"""Nats beyond the outermost anchors in which a text is looked for."""
WIDENED = 1.05
"""Judges err so much more than Plackett-Luce says, as measured on windows that the fit has not seen."""
TYPICAL_SD = 1.5
"""Points of error of one window, measured in the same way; a weaker model than those judges errs more."""
AT_ONCE = 8
"""Windows that one judge gauge has open at a time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one ranking says of one text: posterior mean and sd of its intensity, in points, and the mean utility."""

    intensity: float
    sd: float
    utility: float


@dataclass(frozen=True, slots=True)
class Scale:
    """One value's map between utility (nats) and intensity (points), as its anchors hold it: both rise together."""

    utility: Floats
    intensity: Floats

    @classmethod
    def of(cls, utility: Floats, intensity: Floats) -> "Scale":
        """The map through these anchors, in any order; extremes that the scale cuts off at its ends are left out."""
        order = np.argsort(utility)
        kept = order[np.abs(intensity[order]) < 10.0]
        return cls(utility[kept], np.maximum.accumulate(intensity[kept]))

    def points(self, utility: Floats) -> Floats:
        """Intensities, going on beyond the outermost anchors at the pace of the whole."""
        pace = (self.intensity[-1] - self.intensity[0]) / (self.utility[-1] - self.utility[0])
        inside = np.interp(utility, self.utility, self.intensity)
        beyond = np.minimum(utility - self.utility[0], 0) + np.maximum(utility - self.utility[-1], 0)
        return np.asarray(inside + pace * beyond)

    def cards(self) -> Mapping[str, float]:
        """The marker cards' utilities."""
        return {card: float(np.interp(level, self.intensity, self.utility)) for card, (level, _) in MARKERS.items()}


def read(order: Sequence[str], text: str, utilities: Mapping[str, float], scale: Scale) -> Reading:
    """What this order, most in favour first, says of `text` when all others' utilities are fixed.

    The Plackett-Luce likelihood of the whole order on a grid of the one unknown utility, under a flat prior that ends
    REACH nats beyond the others. Raises KeyError when another item has no utility.
    """
    others = np.array([np.nan if item == text else utilities[item] for item in order])
    low, high = np.nanmin(others) - REACH, np.nanmax(others) + REACH
    grid = np.linspace(low, high, 600)
    table = np.where(np.isnan(others)[None, :], grid[:, None], others[None, :])
    tails = np.logaddexp.accumulate(table[:, ::-1], axis=1)[:, ::-1]
    logp = (table - tails).sum(axis=1)
    weight = np.exp(logp - logp.max())
    weight /= weight.sum()
    points = scale.points(grid)
    mean = float(weight @ points)
    return Reading(mean, float(np.sqrt(weight @ (points - mean) ** 2)), float(weight @ grid))


def one_window_readings(
    rankings: Sequence[Judged], known: Mapping[tuple[str, str], tuple[float, float]]
) -> list[tuple[str, str, Reading]]:
    """(text, value, reading) for each text of these rankings, as if it were new and the others were its anchors.

    `known` maps (text, value) to utility and intensity. A text set aside as off the value reads as zero. Texts without
    a known intensity, and rankings with fewer than three other texts that have one, are left out.
    """
    columns: dict[str, list[tuple[float, float]]] = {}
    for (_, value), pair in known.items():
        columns.setdefault(value, []).append(pair)
    scales = {v: Scale.of(*(np.array(side) for side in zip(*pairs, strict=True))) for v, pairs in columns.items()}
    found = []
    for ranking in rankings:
        scale = scales.get(ranking.value)
        if scale is None:
            continue
        fixed = dict(scale.cards())
        fixed |= {t: known[t, ranking.value][0] for t in ranking.order if (t, ranking.value) in known}
        for text in (i for i in ranking.order if i in fixed and i not in MARKERS):
            order = [i for i in ranking.order if i == text or (i in fixed and i not in ranking.off)]
            if len(order) < len(MARKERS) + 4:
                continue
            reading = read(order, text, fixed, scale)
            found.append((text, ranking.value, replace(reading, intensity=0.0) if text in ranking.off else reading))
    return found


class JudgeGauge:
    """Scores texts with a model's rankings: `await score(texts, values)`, like the scoring queue.

    One window a text and value: the text among the anchors nearest in topic across the intensity bins, and the cards.
    A model whose answers are no ranking leaves the text `failed`.
    """

    def __init__(self, complete: Complete, name: str, gauge: Gauge, encode: Encode, values: Catalogue) -> None:
        self.version = f"judge-{name}-{gauge.vidb}"
        self.typical_sd: Mapping[str, float] = dict.fromkeys(gauge.values, TYPICAL_SD)
        self._complete = complete
        self._name = name
        self._gauge = gauge
        self._encode = encode
        self._catalogue = values
        self._panel = Panel(gauge)
        self._open = asyncio.Semaphore(AT_ONCE)
        self._scales = {
            n: Scale.of(gauge.anchor_utility[mine], gauge.anchor_intensity[mine])
            for n in range(len(gauge.values))
            if len(mine := np.flatnonzero(gauge.anchor_value == n))
        }

    async def score(self, texts: Sequence[Text], values: Sequence[str]) -> list[dict[str, Score | Unscored]]:
        """A Score or an Unscored for each text and value id, in order. Raises ValueError on a value without anchors."""
        columns = [self._gauge.values.index(v) for v in values]
        able = [i for i, t in enumerate(texts) if t.text.strip() and len(t.text) <= MAX_CHARACTERS]
        result: list[dict[str, Score | Unscored]] = [
            dict.fromkeys(values, Unscored("too_long" if t.text.strip() else "empty")) for t in texts
        ]
        if not able:
            return result
        encoding = await asyncio.to_thread(self._encode, [texts[i].text for i in able])
        jobs = [(row, i, column) for row, i in enumerate(able) for column in columns]
        scores = await asyncio.gather(
            *(self._one(texts[i], encoding.embedding[row : row + 1], column) for row, i, column in jobs)
        )
        for (_, i, column), score in zip(jobs, scores, strict=True):
            result[i][self._gauge.values[column]] = score
        return result

    async def _one(self, text: Text, embedding: NDArray[np.float32], column: int) -> Score | Unscored:
        gauge, value = self._gauge, self._gauge.values[column]
        near = self._panel.find(embedding, column)[0]
        # one of each bin first, so that the window spans the scale; each bin's nearest stands first
        anchors = list(dict.fromkeys([*near[::2].tolist(), *near.tolist()]))[: WINDOW - 1]
        ids = {f"a{n}": n for n in anchors}
        shown = {
            name: VidbText(name, "anchor", "", "panel", gauge.anchor_text[n], (value,), "") for name, n in ids.items()
        }
        shown[TEXT] = VidbText(TEXT, "reply", "", "panel", text.text, (value,), "", text.question)
        order = list(shown)
        random.Random(text.text).shuffle(order)
        window = Window("w", "score", value, tuple(order))
        async with self._open:
            found = [r async for r in judge([window], shown, self._catalogue, self._complete, self._name)]
        ranking = found[0]
        if not isinstance(ranking, Judged):
            return Unscored("failed")
        return self._as_score(ranking, ids, column)

    def _as_score(self, ranking: Judged, ids: Mapping[str, int], column: int) -> Score:
        gauge, scale = self._gauge, self._scales[column]
        fixed = dict(scale.cards()) | {name: float(gauge.anchor_utility[n]) for name, n in ids.items()}
        off = TEXT in ranking.off
        kept = [i for i in ranking.order if i == TEXT or i not in ranking.off]
        found = read(kept, TEXT, fixed, scale)
        intensity, sd = (0.0 if off else found.intensity), WIDENED * found.sd
        by_level = sorted(ids.values(), key=lambda n: gauge.anchor_intensity[n])
        below = [n for n in by_level if gauge.anchor_intensity[n] <= intensity]
        above = [n for n in by_level if gauge.anchor_intensity[n] > intensity]
        return Score(
            intensity=intensity,
            sd=sd,
            low=intensity - 1.645 * sd,
            high=intensity + 1.645 * sd,
            relevance=0.0 if off else 1.0,
            utility=found.utility,
            below=self._neighbour(below[-1]) if below else None,
            above=self._neighbour(above[0]) if above else None,
        )

    def _neighbour(self, anchor: int) -> Neighbour:
        gauge = self._gauge
        return Neighbour(gauge.anchor_id[anchor], gauge.anchor_text[anchor], float(gauge.anchor_intensity[anchor]))
