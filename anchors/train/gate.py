"""Trains the gate on labelled prompts, and says how good it is on a writer's whose prompts it has not seen.

Knows prompts, values' words and features; nothing of tenants or of what a gate is used for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from anchors.encoder import Encode
from anchors.evaluation import REPLICATES, Figure
from anchors.gate import Floats, Head, centred, features
from anchors.prompts import Prompt
from anchors.values import Catalogue

RIDGE = 0.05
SHARED = (0.3, 3.0, 2.0)
"""How much of a value's weights all values share, those share whose words are near, and is its own (variances).

These and RIDGE were chosen by training on one of the two training writers and looking at the other.
"""
SCALE = 4.0
RECALL = 0.9
"""The threshold lets so many of the values that apply through: a value that is missed costs more than one that is not,
since what is let through is only steered."""
UNLADEN = 10.0
"""A prompt without values counts as so many labels, about as many as one with."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Of n prompts, with 95% bootstrap intervals over prompts.

    `recall`: share of the values that apply which are let through. `passed_unladen`: of all values on prompts without
    any. `passed_not`: of values ruled out on prompts with others. `precision`: of what is let through, the share that
    applies, if prompts without values are asked about as many values as those with some have labels for.
    """

    prompts: int
    recall: Figure
    passed_unladen: Figure
    passed_not: Figure
    precision: Figure


def train(prompts: Sequence[Prompt], encode: Encode, catalogue: Catalogue) -> Head:
    """The head on these prompts; its threshold comes from heads that have not seen the prompt's writer.

    Raises ValueError with less than two writers.
    """
    writers = np.array([p.writer for p in prompts])
    if len(set(writers.tolist())) < 2:
        raise ValueError("the threshold needs the prompts of two writers")
    values = tuple(catalogue)
    read, labels = features(encode, [texts(p) for p in prompts]), label_table(prompts, values)
    kinship = _kinship(encode, catalogue)
    held = np.full(labels.shape, np.nan)
    for writer in sorted(set(writers.tolist())):
        rest = _fit(encode.name, values, read[writers != writer], labels[writers != writer], kinship, 0.5)
        held[writers == writer] = rest.probability(read[writers == writer])
    threshold = float(np.quantile(held[labels == 1], 1 - RECALL))
    return _fit(encode.name, values, read, labels, kinship, threshold)


def texts(prompt: Prompt) -> list[str]:
    """The turns of its conversation."""
    return [message["content"] for message in prompt.messages]


def label_table(prompts: Sequence[Prompt], values: Sequence[str]) -> Floats:
    """(n, V): 1 where a value applies, 0 where not, nan where that is in doubt."""
    table = np.full((len(prompts), len(values)), np.nan)
    for row, prompt in enumerate(prompts):
        for column, value in enumerate(values):
            if value in prompt.applies:
                table[row, column] = 1.0
            elif value in prompt.not_applies or not prompt.laden:
                table[row, column] = 0.0
    return table


def quality(let_through: NDArray[np.bool_], prompts: Sequence[Prompt], values: Sequence[str]) -> Mapping[str, Quality]:
    """Figures by kind of prompt, and of all, of decisions (n, V)."""
    labels = label_table(prompts, values)
    kinds = np.array([p.kind for p in prompts])
    laden = np.array([p.laden for p in prompts])
    chosen = {"all": np.ones(len(prompts), bool)} | {kind: kinds == kind for kind in dict.fromkeys(kinds.tolist())}
    return {kind: _quality(let_through[mine], labels[mine], laden[mine]) for kind, mine in chosen.items()}


def _quality(let_through: NDArray[np.bool_], labels: Floats, laden: NDArray[np.bool_]) -> Quality:
    sides = {
        "recall": labels == 1,
        "passed_unladen": (labels == 0) & ~laden[:, None],
        "passed_not": (labels == 0) & laden[:, None],
    }
    passed = {name: (let_through & side).sum(1).astype(float) for name, side in sides.items()}
    asked = {name: side.sum(1).astype(float) for name, side in sides.items()}
    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), REPLICATES).astype(float)
    weights = np.vstack([np.ones(len(labels)), draws])
    with np.errstate(invalid="ignore"):
        shares = {name: (weights @ passed[name]) / (weights @ asked[name]) for name in sides}
        hits, right = weights @ passed["recall"], weights @ passed["passed_not"]
        wrong = right + shares["passed_unladen"] * (weights @ (asked["recall"] + asked["passed_not"]))
        shares["precision"] = hits / (hits + wrong)
    return Quality(len(labels), **{name: _figure(found) for name, found in shares.items()})


def _figure(found: Floats) -> Figure:
    low, high = np.nanpercentile(found[1:], [2.5, 97.5])
    return Figure(float(found[0]), float(low), float(high))


def _kinship(encode: Encode, catalogue: Catalogue) -> Floats:
    """(V, V): how near the values' definitions and what they are about lie, in [0, 1]."""
    near = np.zeros((len(catalogue), len(catalogue)))
    for words in ([v.definition for v in catalogue.values()], [v.about for v in catalogue.values()]):
        found = encode(words).embedding.astype(np.float64)
        found = found - found.mean(0)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        near += found @ found.T / 2
    return np.clip(near, 0, 1)


def _fit(
    encoder: str, values: tuple[str, ...], read: Floats, labels: Floats, kinship: Floats, threshold: float
) -> Head:
    """Logistic regression with weights that values share: L Z with a ridge on Z, and L L' their covariance."""
    mean = read.mean(0)
    x, known = SCALE * centred(read, mean), ~np.isnan(labels)
    each = np.where((labels == 1).any(1), 1.0, UNLADEN / len(values))
    y, weight = np.where(known, labels, 0.0), known * each[:, None]
    alike, near, own = SHARED
    root = np.linalg.cholesky(alike + near * kinship + own * np.eye(len(values)))
    total, size = weight.sum(), (len(values), x.shape[1])

    def loss(flat: Floats) -> tuple[float, Floats]:
        z, bias = flat[len(values) :].reshape(size), flat[: len(values)]
        odds = x @ (root @ z).T + bias
        value = float((weight * (np.logaddexp(0, odds) - y * odds)).sum() / total)
        slope = weight * (1 / (1 + np.exp(-odds)) - y) / total
        gradient = np.concatenate([slope.sum(0) + 0.002 * bias, (root.T @ (slope.T @ x) + RIDGE * z).ravel()])
        return value + RIDGE / 2 * float((z**2).sum()) + 0.001 * float((bias**2).sum()), gradient

    found = minimize(loss, np.zeros(len(values) * (size[1] + 1)), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    weights = SCALE * root @ found.x[len(values) :].reshape(size)
    return Head(encoder, values, mean, weights, found.x[: len(values)], threshold)
