"""How good is the gauge? Figures on a split, with topic-bootstrap intervals, beside baselines that it must beat.

Knows predictions and rows; nothing of how the gauge was trained. Baselines: `cosine` to the value's definition;
`nearest`, the mean intensity of the 8 nearest anchors; `value-blind`, a ridge on the same encoder and data without the
value, and `value-averaged`, our own scores averaged over all values (both know tone alone: whatever does not beat them
measures tone); `swapped`, our own score asked for a value of another theory instead.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from anchors.calibration import fit_map
from anchors.encoder import Encode, Encoding
from anchors.evaluator import Evaluator, Text
from anchors.judge import WIDENED, one_window_readings
from anchors.score import Score
from anchors.train.gauge import scores_of
from anchors.train.head import fit
from anchors.train.rows import Rows
from anchors.values import Catalogue
from anchors.vidb.rankings import Judged

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FAR = 3.0
"""Pairs at least so many points apart are reported by themselves."""
REPLICATES = 400


@dataclass(frozen=True, slots=True)
class Predictions:
    """A method's intensities (N,) for the rows of a split, and its sd and 90% interval where it gives them."""

    intensity: Floats
    low: Floats | None = None
    high: Floats | None = None
    sd: Floats | None = None

    def only(self, which: Ints | NDArray[np.bool_]) -> "Predictions":
        """Those at these places."""
        kept = (None if part is None else part[which] for part in (self.low, self.high, self.sd))
        return Predictions(self.intensity[which], *kept)

    def covered(self, truth: Floats) -> Floats | None:
        """1 where the interval holds the truth, else 0 (N,); None where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return ((self.low <= truth) & (truth <= self.high)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95% bootstrap interval over topics."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Report:
    """What `valueflow eval` prints for one method; accuracies and coverage in [0, 1], mae and error_sd in points."""

    rows: int
    pairwise: Figure
    pairwise_far: Figure
    conflict: Figure
    spearman: Figure
    mae: Figure
    error_sd: Figure
    sign: Figure
    coverage: Figure | None
    per_value: Mapping[str, Mapping[str, float]]

    def as_dict(self) -> dict[str, object]:
        """Plain data, for JSON."""
        return asdict(self)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of one kind, one after another."""

    def column(name: str) -> Floats | None:
        found = [getattr(part, name) for part in parts]
        return None if found[0] is None else np.concatenate(found)

    return Predictions(np.concatenate([part.intensity for part in parts]), *map(column, ("low", "high", "sd")))


def gauge_predictions(evaluator: Evaluator, rows: Rows, held: Ints) -> Predictions:
    """Our own scores of the rows numbered `held`."""
    scores = scores_of(evaluator, rows, held)
    return Predictions(*(np.array([getattr(s, name) for s in scores]) for name in ("intensity", "low", "high", "sd")))


def judge_predictions(rankings: Sequence[Judged], rows: Rows, held: Ints) -> tuple[Predictions, Ints]:
    """What one window of a judge says, and of which rows: those of `held` that these rankings hold.

    Each text is read as if it were new, against the others of its window. The rankings must be none of the fit's.
    """
    numbers = zip(rows.text, rows.value, rows.utility, rows.intensity, strict=True)
    known = {(rows.texts[t].id, rows.values[v]): (float(u), float(y)) for t, v, u, y in numbers}
    readings = {(text, value): found for text, value, found in one_window_readings(rankings, known)}
    keys = [(rows.texts[rows.text[r]].id, rows.values[rows.value[r]]) for r in held]
    which = np.array([row for row, key in zip(held, keys, strict=True) if key in readings], dtype=np.int64)
    found = [readings[key] for key in keys if key in readings]
    intensity, sd = np.array([f.intensity for f in found]), WIDENED * np.array([f.sd for f in found])
    return Predictions(intensity, intensity - 1.645 * sd, intensity + 1.645 * sd, sd), which


def baselines(
    evaluator: Evaluator, rows: Rows, held: Ints, encode: Encode, catalogue: Catalogue
) -> dict[str, Predictions]:
    """The baselines' predictions for the rows numbered `held`, mapped to points on the panel where needed."""
    encoding = encode([t.text for t in rows.texts])
    vectors = encoding.embedding.astype(np.float64)
    definitions = encode([catalogue[v].definition for v in rows.values]).embedding.astype(np.float64)
    panel = rows.where("panel")

    def mapped(score: Callable[[Ints], Floats]) -> Predictions:
        slope, intercept = fit_map(score(panel), rows.intensity[panel], rows.value[panel], len(rows.values))
        return Predictions(intercept[rows.value[held]] + slope[rows.value[held]] * score(held))

    def cosine(which: Ints) -> Floats:
        cosines: Floats = np.sum(vectors[rows.text[which]] * definitions[rows.value[which]], axis=1)
        return cosines

    swapped = np.array([_other_theory(rows.values, v) for v in range(len(rows.values))])
    return {
        "cosine": mapped(cosine),
        "nearest": mapped(lambda which: nearest_intensity(vectors, rows, which, 8)),
        "value-blind": Predictions(_blind(rows, held, encoding)),
        "value-averaged": Predictions(_averaged(evaluator, rows, held)),
        "swapped": Predictions(gauge_predictions(evaluator, replace(rows, value=swapped[rows.value]), held).intensity),
    }


def nearest_intensity(vectors: Floats, rows: Rows, which: Ints, count: int) -> Floats:
    """The mean intensity of each row's `count` nearest anchors of its value, of other topics than its own.

    `vectors` (T, d) of all texts, rows of length 1.
    """
    panel, topics = rows.where("panel"), rows.topics()
    result = np.zeros(len(which))
    for n, row in enumerate(which):
        mine = panel[(rows.value[panel] == rows.value[row]) & (topics[panel] != topics[row])]
        near = mine[np.argsort(-(vectors[rows.text[mine]] @ vectors[rows.text[row]]))[:count]]
        result[n] = rows.intensity[near].mean()
    return result


def _blind(rows: Rows, held: Ints, encoding: Encoding) -> Floats:
    """Ridge on the mean token state, trained on the panel without the value."""
    weights = encoding.mask[..., None].float()
    states = ((encoding.states * weights).sum(1) / weights.sum(1)).numpy().astype(np.float64)
    panel = rows.where("panel")
    mean, scale = states[rows.text[panel]].mean(0), states[rows.text[panel]].std(0) + 1e-6
    features = (states - mean) / scale
    one = np.zeros(len(panel), dtype=np.int64)
    fitted, bias = fit(features[rows.text[panel]], one, rows.intensity[panel], np.ones((1, 1)), ridge=1.0)
    result: Floats = features[rows.text[held]] @ fitted[0] + bias[0]
    return result


def _averaged(evaluator: Evaluator, rows: Rows, held: Ints) -> Floats:
    """The mean of our scores over all values: what is left of them when the value is not known."""
    texts = sorted(set(rows.text[held].tolist()))
    found = evaluator.evaluate([Text(rows.texts[t].text, rows.texts[t].question) for t in texts], rows.values)
    means = {
        t: float(np.mean([s.intensity for s in scores.values() if isinstance(s, Score)]))
        for t, scores in zip(texts, found, strict=True)
    }
    return np.array([means[t] for t in rows.text[held]])


def _other_theory(values: Sequence[str], value: int) -> int:
    theory = values[value].partition("/")[0]
    others = [n for n, v in enumerate(values) if not v.startswith(theory + "/")]
    return others[value % len(others)]


def group_weights(groups: NDArray[Any], seed: int = 0) -> list[Floats]:
    """Weights (N,) of N rows: all ones, then REPLICATES bootstrap draws of whole groups (topics, texts)."""
    names, place = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), REPLICATES).astype(np.float64)
    return [np.ones(len(groups)), *draws[:, place.reshape(-1)]]


def figure(weights: Sequence[Floats], of: Callable[[Floats], float]) -> Figure:
    """`of` the first weights, and the 95% interval over the others."""
    found = np.array([of(w) for w in weights])
    drawn = found[1:][np.isfinite(found[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Figure(float(found[0]), float(low), float(high))


def weighted_mean(x: Floats, w: Floats) -> float:
    """The mean; nan where all weights are zero."""
    total = w.sum()
    return float(np.sum(x * w) / total) if total else float("nan")


def weighted_sd(x: Floats, w: Floats) -> float:
    """The standard deviation; nan where all weights are zero."""
    centred = x - weighted_mean(x, w)
    return float(np.sqrt(weighted_mean(centred * centred, w)))


def evaluate(predictions: Predictions, rows: Rows, held: Ints, seed: int = 0) -> Report:
    """All figures for one method on the rows numbered `held`."""
    truth, guess, value = rows.intensity[held], predictions.intensity, rows.value[held]
    left, right = _pairs(value)
    apart = np.abs(truth[left] - truth[right])
    right_way = ((truth[left] - truth[right]) * (guess[left] - guess[right]) > 0).astype(float)
    covered = predictions.covered(truth)
    conflict = _conflict(rows, held)
    strong = np.abs(truth) >= 1.0
    weights = group_weights(rows.topics()[held], seed)

    def over_pairs(keep: NDArray[np.bool_]) -> Figure:
        a, b, hits = left[keep], right[keep], right_way[keep]
        return figure(weights, lambda w: weighted_mean(hits, w[a] * w[b]))

    return Report(
        rows=len(held),
        pairwise=over_pairs(apart > 0),
        pairwise_far=over_pairs(apart >= FAR),
        conflict=over_pairs((apart > 0) & conflict[left] & conflict[right]),
        spearman=figure(weights, lambda w: _mean_spearman(truth, guess, value, w)),
        mae=figure(weights, lambda w: weighted_mean(np.abs(truth - guess), w)),
        error_sd=figure(weights, lambda w: weighted_sd(truth - guess, w)),
        sign=figure(weights, lambda w: weighted_mean((truth * guess > 0).astype(float)[strong], w[strong])),
        coverage=None if covered is None else figure(weights, lambda w: weighted_mean(covered, w)),
        per_value={
            rows.values[v]: _of_value(truth, guess, covered, value == v, left, right, right_way, apart)
            for v in np.unique(value)
        },
    )


def _of_value(
    truth: Floats, guess: Floats, covered: Floats | None, mine: NDArray[np.bool_],
    left: Ints, right: Ints, right_way: Floats, apart: Floats,
) -> dict[str, float]:  # fmt: skip
    inside = mine[left]
    figures = {
        "rows": float(mine.sum()),
        "pairwise": _share(right_way[inside & (apart > 0)]),
        "pairwise_far": _share(right_way[inside & (apart >= FAR)]),
        "spearman": _spearman(truth[mine], guess[mine], np.ones(int(mine.sum()))),
        "mae": float(np.abs(truth - guess)[mine].mean()),
        "error_sd": float((truth - guess)[mine].std()),
    }
    return figures if covered is None else figures | {"coverage": float(covered[mine].mean())}


def _pairs(value: Ints) -> tuple[Ints, Ints]:
    left, right = [], []
    for v in np.unique(value):
        mine = np.flatnonzero(value == v)
        a, b = np.triu_indices(len(mine), 1)
        left.append(mine[a])
        right.append(mine[b])
    return np.concatenate(left), np.concatenate(right)


def _conflict(rows: Rows, held: Ints) -> NDArray[np.bool_]:
    """Rows of texts whose two values were ranked on opposite sides, each at least 2 points from zero."""
    lowest, highest = np.full(len(rows.texts), np.inf), np.full(len(rows.texts), -np.inf)
    np.minimum.at(lowest, rows.text, rows.intensity)
    np.maximum.at(highest, rows.text, rows.intensity)
    split = (lowest <= -2) & (highest >= 2)
    result: NDArray[np.bool_] = split[rows.text[held]]
    return result


def _mean_spearman(truth: Floats, guess: Floats, value: Ints, w: Floats) -> float:
    found = [_spearman(truth[value == v], guess[value == v], w[value == v]) for v in np.unique(value)]
    finite = [f for f in found if np.isfinite(f)]
    return float(np.mean(finite)) if finite else float("nan")


def _spearman(truth: Floats, guess: Floats, w: Floats) -> float:
    keep = w > 0
    if keep.sum() < 3:
        return float("nan")
    a, b, w = rankdata(truth[keep]), rankdata(guess[keep]), w[keep]
    a, b = a - np.average(a, weights=w), b - np.average(b, weights=w)
    scale = np.sqrt(np.sum(w * a * a) * np.sum(w * b * b))
    return float(np.sum(w * a * b) / scale) if scale else float("nan")


def _share(hits: Floats) -> float:
    return float(hits.mean()) if len(hits) else float("nan")
