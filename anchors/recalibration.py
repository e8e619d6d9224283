"""A gauge's map and interval of single values, fitted anew to people's labels, and what that changes.

Knows labels and what the gauge read of their texts before calibration; nothing of encoders or files. A label is never
tested by a map that it was fitted in: labels are dealt to folds by text (choices by pair of texts), a number is
predicted without its fold, and two numbers are compared by one map that has seen neither's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_expit

from anchors.calibration import conformal_factor, conformal_quantile, predicted, typical_sd
from anchors.evaluation import REPLICATES, Figure
from anchors.gauge import Gauge
from anchors.labels import Labels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PRIOR = 40.0
"""The present map counts as so many labels, as the pooled line does in training."""
FOLDS = 5
MIN_LABELS = 10
"""Of different texts or pairs, for each value."""
MIN_NUMBERS = 30
"""Different texts with numbers that a value's conformal factor needs."""
LOGISTIC = 1.702
"""expit(1.702 z) is within 0.01 of the normal distribution function."""


class TooFewLabels(ValueError):
    """A value has too few; the message names it."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Of m texts on k values, uncalibrated: utility in nats and relevance, both (m, k), and words (m,)."""

    utility: Floats
    relevance: Floats
    words: Floats


@dataclass(frozen=True, slots=True)
class Change:
    """A figure with the gauge's calibration, with the new one out of fold, and their difference."""

    before: Figure
    after: Figure
    difference: Figure


@dataclass(frozen=True, slots=True)
class Recalibration:
    """The new gauge, not saved, so it has no version; figures and number of labels by value and, of several, for all.

    Figures are `pairwise`; for numbers also `mae` (points) and `coverage`, for choices `log loss` (nats; a coin has
    0.69).
    """

    gauge: Gauge
    figures: Mapping[str, Mapping[str, Change]]
    labels: Mapping[str, int]

    def too_wide(self) -> dict[str, float]:
        """Half the 90% interval of a typical text, in points, by labelled value where it spans the scale: over 10."""
        gauge, sd = self.gauge, typical_sd(self.gauge)
        halves = {v: conformal_factor(gauge, gauge.values.index(v)) * sd[v] for v in self.labels if v in gauge.values}
        return {value: half for value, half in halves.items() if half > 10}


@dataclass(frozen=True, slots=True)
class _Hits:
    """What is averaged, before and after (2, n), and the groups `left` and `right` (n,) whose weights count."""

    found: Floats
    left: Ints
    right: Ints


def recalibrate(gauge: Gauge, labels: Labels, readings: Readings) -> Recalibration:
    """Refit the labelled values. Raises TooFewLabels. `readings` has a row a text and a column a value."""
    group = labels.first
    if labels.second is not None:
        pairs = np.sort(np.column_stack([labels.first, labels.second]), axis=1)
        group = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
    slope, intercept, factors = gauge.slope.copy(), gauge.intercept.copy(), dict(gauge.factors)
    hits: dict[str, dict[str, _Hits]] = {}
    counted = {}
    for place, value in enumerate(labels.values):
        mine = np.flatnonzero(labels.value == place)
        if (different := len(set(group[mine].tolist()))) < MIN_LABELS:
            raise TooFewLabels(f"{value}: labels of {different} different texts or pairs, at least {MIN_LABELS} needed")
        one = _Value(gauge, value, labels, readings, place, group[mine])
        number = gauge.values.index(value)
        slope[number], intercept[number] = one.fit(np.ones(len(mine), dtype=bool))
        if one.enough:
            factors[value] = one.factor_without(None)
        hits[value], counted[value] = one.hits(), len(mine)
    figures = {value: _changes(found) for value, found in hits.items()}
    if len(hits) > 1:
        figures["all"] = _changes({name: _joined([h[name] for h in hits.values()]) for name in hits[labels.values[0]]})
        counted["all"] = len(labels.value)
    return Recalibration(replace(gauge, slope=slope, intercept=intercept, factors=factors), figures, counted)


class _Value:
    """One value's labels (n), their folds, and the maps fitted without one or two of these."""

    def __init__(self, gauge: Gauge, value: str, labels: Labels, readings: Readings, place: int, group: Ints) -> None:
        mine = np.flatnonzero(labels.value == place)
        number = gauge.values.index(value)
        self._present = np.array([gauge.slope[number], gauge.intercept[number]])
        self._error, self._factor = gauge.error, conformal_factor(gauge, number)
        self._read = (readings.utility[:, place], readings.relevance[:, place], readings.words)
        self._first = labels.first[mine]
        self._second = None if labels.second is None else labels.second[mine]
        self._truth = None if labels.intensity is None else labels.intensity[mine]
        self._group = group
        names, at = np.unique(group, return_inverse=True)
        self._fold = np.random.default_rng(0).permutation(len(names))[at] % FOLDS
        self._maps = {
            (f, g): self.fit((self._fold != f) & (self._fold != g)) for f in range(FOLDS) for g in range(f, FOLDS)
        }
        self.enough = self._truth is not None and len(names) >= MIN_NUMBERS

    def fit(self, keep: NDArray[np.bool_]) -> Floats:
        """(slope, intercept) by maximum posterior on these labels.

        The prior is PRIOR relevant texts at the present map, spread like the labelled ones. Errors are normal with
        the predictive sd, so that a choice has P = Phi(difference / sd of the difference), here by the logistic.
        """
        utility, relevance, _ = self._read
        _, sd = predicted(self._present[0], self._present[1], self._error, *self._read)
        first = self._first[keep]
        second = None if self._second is None else self._second[keep]
        truth = None if self._truth is None else self._truth[keep]
        used = np.unique(first if second is None else np.concatenate([first, second]))
        centre, spread = utility[used].mean(), max(utility[used].std(), 0.5)
        weight = PRIOR / np.mean(sd[used] ** 2)

        def loss(line: Floats) -> float:
            slope, intercept = line - self._present
            prior = 0.5 * weight * ((intercept + slope * centre) ** 2 + (slope * spread) ** 2)
            intensity = relevance * (line[1] + line[0] * utility)
            if truth is not None:
                return float(prior + 0.5 * np.sum(((truth - intensity[first]) / sd[first]) ** 2))
            gap = (intensity[first] - intensity[second]) / np.hypot(sd[first], sd[second])
            return float(prior - np.sum(log_expit(LOGISTIC * gap)))

        found = minimize(loss, self._present, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)])
        return np.asarray(found.x, dtype=np.float64)

    def factor_without(self, fold: int | None) -> float:
        """The conformal factor from numbers out of fold, of all folds or all but one."""
        residual, sd = self._residuals(lambda g: (g, g) if fold is None else (min(fold, g), max(fold, g)))
        kept = self._fold != fold if fold is not None else np.ones(len(sd), dtype=bool)
        return conformal_quantile(residual[kept], sd[kept])

    def hits(self) -> dict[str, _Hits]:
        """By figure."""
        if self._truth is None:
            return self._choices()
        found, sd = self._residuals(lambda g: (g, g))
        intensity, before_sd = self._predict(self._present, self._first)
        before = self._truth - intensity
        factor = np.full(len(sd), self._factor)
        if self.enough:
            factor = np.array([self.factor_without(f) for f in range(FOLDS)])[self._fold]
        covered = np.stack([np.abs(before) <= self._factor * before_sd, np.abs(found) <= factor * sd])
        return {
            "pairwise": self._pairs(),
            "mae": _Hits(np.abs(np.stack([before, found])), self._group, self._group),
            "coverage": _Hits(covered.astype(np.float64), self._group, self._group),
        }

    def _choices(self) -> dict[str, _Hits]:
        assert self._second is not None
        gap = np.empty((2, len(self._fold)))
        for g in range(FOLDS):
            mine = self._fold == g
            for row, line in enumerate((self._present, self._maps[g, g])):
                (a, a_sd), (b, b_sd) = (self._predict(line, side[mine]) for side in (self._first, self._second))
                gap[row, mine] = (a - b) / np.hypot(a_sd, b_sd)
        return {
            "pairwise": _Hits((gap > 0).astype(np.float64), self._group, self._group),
            "log loss": _Hits(-log_expit(LOGISTIC * gap), self._group, self._group),
        }

    def _pairs(self) -> _Hits:
        assert self._truth is not None
        a, b = np.triu_indices(len(self._truth), 1)
        apart = (self._truth[a] != self._truth[b]) & (self._first[a] != self._first[b])
        a, b = a[apart], b[apart]
        sign = np.sign(self._truth[a] - self._truth[b])
        before = self._predict(self._present, self._first)[0]
        found = np.stack([sign * (before[a] - before[b]) > 0, np.zeros(len(a), dtype=bool)])
        low, high = np.minimum(self._fold[a], self._fold[b]), np.maximum(self._fold[a], self._fold[b])
        for (f, g), line in self._maps.items():
            mine = (low == f) & (high == g)
            after = self._predict(line, self._first)[0]
            found[1, mine] = (sign * (after[a] - after[b]) > 0)[mine]
        return _Hits(found.astype(np.float64), self._first[a], self._first[b])

    def _residuals(self, folds: Callable[[int], tuple[int, int]]) -> tuple[Floats, Floats]:
        """Truth less prediction, and sd, each label of fold g by the map without `folds(g)`."""
        assert self._truth is not None
        residual, sd = np.empty(len(self._fold)), np.empty(len(self._fold))
        for g in range(FOLDS):
            mine = self._fold == g
            intensity, sd[mine] = self._predict(self._maps[folds(g)], self._first[mine])
            residual[mine] = self._truth[mine] - intensity
        return residual, sd

    def _predict(self, line: Floats, which: Ints) -> tuple[Floats, Floats]:
        return predicted(line[0], line[1], self._error, *(r[which] for r in self._read))


def _joined(parts: list[_Hits]) -> _Hits:
    return _Hits(
        np.concatenate([p.found for p in parts], axis=1),
        np.concatenate([p.left for p in parts]),
        np.concatenate([p.right for p in parts]),
    )


def _changes(hits: Mapping[str, _Hits]) -> dict[str, Change]:
    return {name: _change(found) for name, found in hits.items()}


def _change(hits: _Hits) -> Change:
    """Means with 95% bootstrap intervals over texts, or over the pairs that were chosen from."""
    if not len(hits.left):  # equal numbers make no pairs
        return Change(*[Figure(np.nan, np.nan, np.nan)] * 3)
    names, place = np.unique(np.concatenate([hits.left, hits.right]), return_inverse=True)
    left, right = np.split(place.reshape(-1), 2)
    rng = np.random.default_rng(0)
    rows = []
    for draw in range(REPLICATES + 1):
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names))) if draw else np.ones(len(names))
        weight = np.where(left == right, drawn[left], drawn[left] * drawn[right])
        total = weight.sum()
        before, after = hits.found @ weight / total if total else (np.nan, np.nan)
        rows.append((before, after, after - before))
    table = np.array(rows)
    low, high = np.nanpercentile(table[1:], [2.5, 97.5], axis=0)
    return Change(*(Figure(float(table[0, n]), float(low[n]), float(high[n])) for n in range(3)))
