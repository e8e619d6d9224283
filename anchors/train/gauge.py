"""Train the gauge of `anchors/gauge.py` from a VIDB: heads, out-of-fold panel, calibration, conformal factor.

Knows which split serves what: `panel` trains and calibrates (out-of-fold), `calibration` serves the conformal factor
alone, `steer` and `test` are not touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from anchors import calibration
from anchors.encoder import Encode, Encoding
from anchors.evaluator import Evaluator, Text, against_panel
from anchors.gauge import Gauge
from anchors.panel import Panel
from anchors.train.head import Sharing, fit, out_of_fold
from anchors.train.rows import Rows
from anchors.values import Catalogue

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Options:
    """What training may choose. `blind` removes the value from the input: the floor that measures tone alone."""

    sharing: Sharing = field(default_factory=Sharing)
    relevance_sharing: Sharing = field(default_factory=Sharing)
    blind: bool = False


def train(
    rows: Rows, encode: Encode, encoding: Encoding, catalogue: Catalogue, vidb: str, provisional: bool,
    options: Options = Options(),
) -> Gauge:  # fmt: skip
    """A gauge from these rows; `encoding` holds all of `rows.texts`. Deterministic."""
    panel = rows.where("panel")
    text, value, groups = rows.text[panel], rows.value[panel], rows.topics()[panel]
    mean, scale = encoding.states[text].mean(0), encoding.states[text].std(0) + 1e-6
    features = (encoding.states[text] - mean) / scale / np.sqrt(encoding.states.shape[1])
    kernel, relevance_kernel = kernels(encode, catalogue, rows.values, options)

    target = rows.intensity[panel]
    stance, stance_bias = fit(features, value, target, kernel, options.sharing.ridge)
    oof = out_of_fold(features, value, target, groups, kernel, options.sharing.ridge)
    topical = encoding.embedding[text].astype(np.float64)
    relevance, relevance_bias = _relevance(topical, value, rows.relevance[panel], groups, relevance_kernel, options)
    draft = Gauge(
        encoder=encode.name, values=rows.values, mean=mean.astype(np.float64),
        scale=(scale * np.sqrt(encoding.states.shape[1])).astype(np.float64),
        stance=stance, stance_bias=stance_bias, relevance=relevance, relevance_bias=relevance_bias,
        sharpness=_sharpness(oof, target, value, groups),
        anchor_value=value, anchor_embedding=topical, anchor_intensity=target, anchor_utility=rows.utility[panel],
        anchor_stance=oof, anchor_id=tuple(rows.texts[t].id for t in text),
        anchor_text=tuple(rows.texts[t].text for t in text),
        slope=np.ones(len(rows.values)), intercept=np.zeros(len(rows.values)), error=np.zeros(5), quantile=1.645,
        vidb=vidb, provisional=provisional,
    )  # fmt: skip
    return _calibrated(draft, rows, encoding, encode)


def kernels(encode: Encode, catalogue: Catalogue, values: Sequence[str], options: Options) -> tuple[Floats, Floats]:
    """Kernels over values for stance and relevance, from the cosines of the definitions' embeddings."""
    vectors = encode([catalogue[v].definition for v in values]).embedding.astype(np.float64)
    similarity = vectors @ vectors.T
    if options.blind:
        return np.ones_like(similarity), np.ones_like(similarity)
    return options.sharing.over(similarity), options.relevance_sharing.over(similarity)


def _relevance(
    features: Floats, value: Ints, share: Floats, groups: Ints, kernel: Floats, options: Options
) -> tuple[Floats, Floats]:
    """Weights and biases of relevance log-odds: a ridge on the judges' share, stretched by an out-of-fold logistic."""
    ridge = options.relevance_sharing.ridge
    weights, bias = fit(features, value, share, kernel, ridge)
    raw = out_of_fold(features, value, share, groups, kernel, ridge)

    def loss(c: Floats) -> float:
        z = c[0] * raw + c[1]
        return float(-np.mean(share * log_expit(z) + (1 - share) * log_expit(-z)))

    stretch, shift = minimize(loss, np.array([4.0, -2.0]), method="BFGS").x
    return stretch * weights, stretch * bias + shift


def _sharpness(oof: Floats, target: Floats, value: Ints, groups: Ints) -> float:
    """Log-odds per point of predicted difference, by maximum likelihood on pairs of one value and different topics."""
    rng = np.random.default_rng(0)
    gaps, wins = [], []
    for v in np.unique(value):
        mine = np.flatnonzero(value == v)
        left, right = rng.choice(mine, 4000), rng.choice(mine, 4000)
        keep = (groups[left] != groups[right]) & (target[left] != target[right])
        gaps.append(oof[left][keep] - oof[right][keep])
        wins.append((target[left] > target[right])[keep])
    gap, win = np.concatenate(gaps), np.concatenate(wins)
    sign = np.where(win, 1.0, -1.0)
    found = minimize(lambda b: float(-np.mean(log_expit(sign * np.exp(b[0]) * gap))), np.zeros(1), method="BFGS")
    return float(np.exp(found.x[0]))


def _calibrated(draft: Gauge, rows: Rows, encoding: Encoding, encode: Encode) -> Gauge:
    """The map and the error model from the panel out-of-fold, the conformal factor from the calibration split."""
    finder = Panel(draft)
    utility, misfit = np.zeros(len(draft.anchor_value)), np.zeros(len(draft.anchor_value))
    topic = np.array([t.topic for t in rows.texts])[rows.text[rows.where("panel")]]
    for v in range(len(draft.values)):
        mine = np.flatnonzero(draft.anchor_value == v)
        for a in mine:
            found = finder.find(draft.anchor_embedding[a : a + 1], v)
            others = found[:, topic[found[0]] != topic[a]]  # a text is no opponent of itself or of its own topic
            if others.shape[1]:
                utility[a], misfit[a] = (x[0] for x in against_panel(draft, draft.anchor_stance[a : a + 1], others))
    slope, intercept = calibration.fit_map(utility, draft.anchor_intensity, draft.anchor_value, len(draft.values))
    panel = rows.where("panel")
    words = np.array([len(rows.texts[t].text.split()) for t in rows.text[panel]], dtype=np.float64)
    topical = expit(
        np.sum(draft.anchor_embedding * draft.relevance[draft.anchor_value], axis=1)
        + draft.relevance_bias[draft.anchor_value]
    )
    residual = draft.anchor_intensity - intercept[draft.anchor_value] - slope[draft.anchor_value] * utility
    error = calibration.fit_error(calibration.error_drivers(utility, topical, misfit, words), residual)
    gauge = replace(draft, slope=slope, intercept=intercept, error=error)
    return replace(gauge, quantile=_conformal(gauge, rows, encode))


def _conformal(gauge: Gauge, rows: Rows, encode: Encode) -> float:
    held = rows.where("calibration")
    evaluator = Evaluator(encode, gauge)
    texts = sorted(set(rows.text[held].tolist()))
    scores = dict(
        zip(texts, evaluator.evaluate([Text(rows.texts[t].text, rows.texts[t].question) for t in texts], gauge.values),
            strict=True)
    )  # fmt: skip
    found = [
        (scores[t][gauge.values[v]], y)
        for t, v, y in zip(rows.text[held], rows.value[held], rows.intensity[held], strict=True)
    ]
    residual = np.array([y - s.intensity for s, y in found])
    sd = np.array([s.sd for s, _ in found])
    return calibration.conformal_quantile(residual, sd)
