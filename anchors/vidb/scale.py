"""From rankings to intensities: Plackett-Luce utilities by value, put on one scale by the marker cards.

Knows rankings and cards; nothing of what the texts say. The cards fix -9, -5, 0, +5 and +9; between them the map is
monotone interpolation, beyond them it goes on with the slope of the last segment, up to +-10.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from anchors.plackett_luce import Fit, fit_rankings
from anchors.vidb.rankings import Judged
from anchors.vidb.texts import BrokenSet, read_jsonl, write_jsonl
from anchors.vidb.windows import MARKERS

Floats = NDArray[np.float64]
LIMIT = 10.0
ZERO = 2
"""The place of the zero card among the cards."""
OFF_SD = 0.5


@dataclass(frozen=True, slots=True)
class Intensity:
    """One text on one value: `utility` in nats, `intensity` and `sd` in points, `relevance` in [0, 1].

    `relevance` is the share of judges who did not put the text aside as off the value. `sd` is a lower bound where
    judges repeat themselves without noise.
    """

    text: str
    value: str
    utility: float
    intensity: float
    sd: float
    relevance: float
    windows: int


@dataclass(frozen=True, slots=True)
class ValueFit:
    """One value's fit: items in order (texts, then cards), utilities, the cards' own, and the reversed fit's gap.

    `gap` is the mean absolute difference in points to the fit of the rankings read backwards.
    """

    items: tuple[str, ...]
    fit: Fit
    cards: tuple[float, ...]
    gap: float


def fit_value(rankings: Sequence[Judged]) -> ValueFit:
    """Fit one value's rankings. Raises ValueError when the cards' utilities do not rise.

    What a judge put aside as off the value is left out of that window: its place among the others says nothing.
    """
    kept = [[i for i in r.order if i not in r.off] for r in rankings]
    texts = sorted({i for order in kept for i in order} - set(MARKERS))
    items = (*texts, *MARKERS)
    number = {item: n for n, item in enumerate(items)}
    orders = [[number[i] for i in order] for order in kept]
    forward = fit_rankings(orders, len(items))
    backward = fit_rankings(orders, len(items), prior_sd=forward.prior_sd, reverse=True)
    cards = tuple(float(u) for u in forward.mean[len(texts) :])
    gap = float(np.mean(np.abs(to_points(forward.mean, cards) - to_points(backward.mean, backward.mean[len(texts) :]))))
    return ValueFit(items, forward, cards, gap)


def to_points(utility: Floats, cards: Sequence[float] | Floats) -> Floats:
    """Intensities for utilities, given the five cards' utilities. Raises ValueError unless those rise."""
    points, _ = _map(utility, cards)
    return points


def _map(utility: Floats, cards: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    """Intensity and its slope d(points)/d(nats)."""
    x, y = np.asarray(cards, dtype=np.float64), np.array([level for level, _ in MARKERS.values()])
    if not np.all(np.diff(x) > 0):
        raise ValueError(f"the marker cards' utilities do not rise: {np.round(x, 2).tolist()}")
    curve = PchipInterpolator(x, y)
    slopes = np.diff(y) / np.diff(x)
    below, above = utility < x[0], utility > x[-1]
    inside = np.clip(utility, x[0], x[-1])
    points = curve(inside) + np.where(below, slopes[0] * (utility - x[0]), 0.0)
    points += np.where(above, slopes[-1] * (utility - x[-1]), 0.0)
    slope = np.where(below, slopes[0], np.where(above, slopes[-1], curve.derivative()(inside)))
    return np.clip(points, -LIMIT, LIMIT), slope


def intensities(rankings: Iterable[Judged]) -> tuple[list[Intensity], dict[str, ValueFit]]:
    """Intensities of all texts on all values of these rankings (bridge windows aside), and each value's fit."""
    by_value: dict[str, list[Judged]] = defaultdict(list)
    for ranking in rankings:
        if ranking.value:
            by_value[ranking.value].append(ranking)
    rows, fits = [], {}
    for value, judged in sorted(by_value.items()):
        fits[value] = found = fit_value(judged)
        points, slope = _map(found.fit.mean, found.cards)
        place = {item: n for n, item in enumerate(found.items)}
        seen = Counter(i for r in judged for i in r.order if i not in MARKERS)
        off = Counter(i for r in judged for i in r.off)
        for item in sorted(seen):
            share = round(1 - off[item] / seen[item], 3)
            n = place.get(item)
            if n is None:  # off in every window: at the zero card
                zero = round(found.cards[ZERO], 4)
                rows.append(Intensity(item, value, zero, 0.0, OFF_SD, share, seen[item]))
                continue
            sd = float(found.fit.sd[n] * max(slope[n], 1e-3))
            utility, intensity = round(float(found.fit.mean[n]), 4), round(float(points[n]), 3)
            rows.append(Intensity(item, value, utility, intensity, round(sd, 3), share, seen[item]))
    return rows, fits


def read_intensities(folder: Path) -> list[Intensity]:
    """The fitted rows. Raises BrokenSet."""
    path = folder / "intensities.jsonl"
    rows = []
    for number, row in read_jsonl(path):
        try:
            rows.append(Intensity(**row))
        except TypeError as error:
            raise BrokenSet(f"{path}:{number}: {error}") from error
    return rows


def write_intensities(folder: Path, rows: Iterable[Intensity]) -> None:
    """Write `intensities.jsonl`."""
    write_jsonl(folder / "intensities.jsonl", ({k: getattr(row, k) for k in Intensity.__slots__} for row in rows))


def by_text(rows: Iterable[Intensity]) -> Mapping[str, dict[str, Intensity]]:
    """Rows by text id and value."""
    table: dict[str, dict[str, Intensity]] = defaultdict(dict)
    for row in rows:
        table[row.text][row.value] = row
    return table
