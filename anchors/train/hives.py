"""HiVES: a linear map of frozen embeddings after which texts lie by theory, group, value and direction.

For retrieval alone: it counts a text's opposite as its near neighbour. After VALUEFLOW (Kim et al., arXiv 2602.03160):
stage 1 is a hierarchical supervised contrastive loss, stage 2 adds contrasts within values and within concepts that
theories share. Its released stage 2 shuffles a batch which its loss then slices by position; here a batch is three
separate lists of rows, each of several values or concepts. Knows features and labels; nothing of files or anchors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn

from anchors.concepts import Concept
from anchors.encoder import Encoding
from anchors.values import Catalogue

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEVELS = 3
"""Theory, group, value."""
TEMPERATURE, CONCEPT_TEMPERATURE = 0.1, 0.07
OTHER_DIRECTION = 1.0
"""What a text of the other direction loses in logits, as a negative."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """N rows: `features` (N, F), the number of their `text` (N,), `value` (N,) into `values`, `direction` (N,) +-1."""

    features: NDArray[np.float32]
    text: Ints
    value: Ints
    direction: Ints
    values: tuple[str, ...]

    def only(self, which: Ints | NDArray[np.bool_]) -> "Labelled":
        """These rows."""
        return Labelled(self.features[which], self.text[which], self.value[which], self.direction[which], self.values)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps of the two stages, the learning rate of the first (the second's is a tenth), and the pull to the start."""

    first: int = 1500
    second: int = 500
    rate: float = 1e-3
    decay: float = 0.02
    seed: int = 0


def features(encoding: Encoding) -> NDArray[np.float32]:
    """What the map reads (n, 2d): the embedding, and the mean token state of the layer that the encoder gives."""
    weights = encoding.mask[..., None].float()
    states = nn.functional.normalize((encoding.states * weights).sum(1) / weights.sum(1), dim=1)
    return np.concatenate([encoding.embedding, states.float().numpy()], axis=1)


def paths(values: Sequence[str], catalogue: Catalogue) -> Ints:
    """(V, LEVELS) numbers of each value's theory, group (its first) and itself."""
    names = [(catalogue[v].theory, f"{catalogue[v].theory}/{next(iter(catalogue[v].groups), '')}", v) for v in values]
    return np.column_stack([np.unique([n[level] for n in names], return_inverse=True)[1] for level in range(LEVELS)])


def concept_of(rows: Labelled, concepts: Sequence[Concept], definitions: NDArray[np.float32]) -> Ints:
    """Each row's concept (N,): of those that contain its value the one whose definition is nearest; -1 without one.

    `definitions` (C, d) are embeddings by the encoder that made the rows' features.
    """
    nearness = rows.features[:, : definitions.shape[1]] @ definitions.T
    contains = np.array([[value in concept.values for concept in concepts] for value in rows.values])
    nearness[~contains[rows.value]] = -np.inf
    return np.where(contains[rows.value].any(1), nearness.argmax(1), -1)


def train(
    rows: Labelled, path: Ints, concept: Ints, plan: Plan, tell: Callable[[int, float], None] = lambda step, loss: None
) -> NDArray[np.float32]:
    """The map (F, d), which begins as the encoder's own embedding. Deterministic on one machine."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    width = rows.features.shape[1]
    change = nn.Parameter(torch.zeros(width, width // 2))
    start = torch.eye(width, width // 2)
    read = torch.from_numpy(rows.features)
    draw = _Batches(rows, path, concept, rng)
    for stage, steps, rate in ((1, plan.first, plan.rate), (2, plan.second, plan.rate / 10)):
        optimiser = torch.optim.AdamW([change], lr=rate, weight_decay=plan.decay / rate * 1e-3)
        for step in range(steps):
            tree = draw.of_a_theory()
            loss = _hierarchical(_unit(read[tree] @ (start + change)), rows.only(tree), path)
            if stage == 2:
                for weight, (which, group) in ((0.5, draw.by_value()), (1.0, draw.by_concept())):
                    loss = loss + weight * _contrast(_unit(read[which] @ (start + change)), group, rows.text[which])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if step % 250 == 0:
                tell(step + (stage - 1) * plan.first, float(loss.detach()))
    return (start + change).detach().numpy()


def mapped(features: NDArray[np.float32], matrix: NDArray[np.float32]) -> Floats:
    """Unit vectors (n, d)."""
    found: Floats = (features @ matrix).astype(np.float64)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return found


class _Batches:
    """Draws lists of row numbers; those of a list belong to several values, groups or concepts."""

    def __init__(self, rows: Labelled, path: Ints, concept: Ints, rng: np.random.Generator) -> None:
        self._rng = rng
        theory = path[rows.value, 0]
        self._theories = [np.flatnonzero(theory == t) for t in np.unique(theory)]
        side = rows.value * 2 + (rows.direction > 0)
        self._values = [np.flatnonzero(side == s) for s in np.unique(side)]
        both = concept * 2 + (rows.direction > 0)
        shared = [np.flatnonzero(both == c) for c in np.unique(both[concept >= 0])]
        self._concepts = [(mine, theory[mine]) for mine in shared if len(set(theory[mine].tolist())) > 1]

    def of_a_theory(self, inside: int = 96, outside: int = 32) -> Ints:
        """Rows of one theory, so that its own values are each other's negatives, and some of the others."""
        place = int(self._rng.integers(len(self._theories)))
        rest = np.concatenate([t for n, t in enumerate(self._theories) if n != place])
        return np.concatenate([self._some(self._theories[place], inside), self._some(rest, outside)])

    def by_value(self, groups: int = 8, each: int = 4) -> tuple[Ints, Ints]:
        """Rows of several values with a direction, and the group of each."""
        drawn = self._rng.choice(len(self._values), min(groups, len(self._values)), replace=False)
        found = [self._some(self._values[d], each) for d in drawn]
        return np.concatenate(found), np.repeat(np.arange(len(found)), [len(f) for f in found])

    def by_concept(self, groups: int = 8, each: int = 2) -> tuple[Ints, Ints]:
        """Rows of several concepts, of each concept from two theories, and the group of each."""
        found = []
        for place in self._rng.choice(len(self._concepts), min(groups, len(self._concepts)), replace=False):
            mine, theory = self._concepts[place]
            pair = self._rng.choice(np.unique(theory), 2, replace=False)
            found.append(np.concatenate([self._some(mine[theory == t], each) for t in pair]))
        return np.concatenate(found), np.repeat(np.arange(len(found)), [len(f) for f in found])

    def _some(self, rows: Ints, most: int) -> Ints:
        return self._rng.choice(rows, min(most, len(rows)), replace=False)


def _unit(x: Tensor) -> Tensor:
    return nn.functional.normalize(x, dim=1)


def _hierarchical(vectors: Tensor, rows: Labelled, path: Ints) -> Tensor:
    """The mean over levels of 2^(1/level) times the larger of this level's loss and the coarser one's."""
    direction = torch.from_numpy(rows.direction)
    same_way = direction[:, None] == direction[None]
    logits = vectors @ vectors.T / TEMPERATURE - OTHER_DIRECTION * (~same_way).float()
    other_text = torch.from_numpy(rows.text[:, None] != rows.text[None])
    total, coarser = torch.zeros(()), torch.zeros(())
    for level in range(LEVELS):
        place = torch.from_numpy(path[rows.value, level])
        own = _supervised(logits, (place[:, None] == place[None]) & same_way & other_text, other_text)
        coarser = torch.maximum(coarser, own)
        total = total + 2.0 ** (1.0 / (level + 1)) * coarser
    return total / LEVELS


def _contrast(vectors: Tensor, group: Ints, text: Ints) -> Tensor:
    """InfoNCE with the rows of a group as each other's positives."""
    other_text = torch.from_numpy(text[:, None] != text[None])
    together = torch.from_numpy(group[:, None] == group[None]) & other_text
    return _supervised(vectors @ vectors.T / CONCEPT_TEMPERATURE, together, other_text)


def _supervised(logits: Tensor, positive: Tensor, counted: Tensor) -> Tensor:
    """The supervised contrastive loss over rows that have a positive (Khosla et al. 2020)."""
    log = logits - logits.masked_fill(~counted, -1e9).logsumexp(1, keepdim=True)
    has = positive.any(1)
    if not has.any():
        return torch.zeros(())
    found: Tensor = -(log.masked_fill(~positive, 0.0).sum(1)[has] / positive.sum(1)[has]).mean()
    return found


@dataclass(frozen=True, slots=True)
class Structure:
    """How well vectors lie by the tree, on rows that were not trained on.

    `ranking`: the share of pairs of other rows, in different places of the order {same value and direction, same
    value, same group, same theory, other}, whose nearer one is the nearer (.5 for chance; mean over rows).
    `correlation`: Spearman's, of that order with cosine. `orthogonality`: by theory, 1 less the mean |cosine| between
    its values' directions (mean of texts for less mean of texts against), where two have both.
    """

    ranking: float
    correlation: float
    orthogonality: Mapping[str, float]


def structure(vectors: Floats, rows: Labelled, path: Ints, most: int = 800, seed: int = 0) -> Structure:
    """The figures for vectors (N, d) of the rows, on at most `most` of them as queries."""
    place = path[rows.value]
    queries = np.random.default_rng(seed).permutation(len(rows.text))[:most]
    rankings, orders, cosines = [], [], []
    for q in queries:
        order = (place == place[q]).sum(1) + ((rows.value == rows.value[q]) & (rows.direction == rows.direction[q]))
        other = rows.text != rows.text[q]
        order, cosine = order[other], (vectors @ vectors[q])[other]
        rankings.append(_ordered(order, cosine))
        orders.append(order)
        cosines.append(cosine)
    ranks = (rankdata(np.concatenate(parts)) for parts in (orders, cosines))
    return Structure(float(np.nanmean(rankings)), float(np.corrcoef(*ranks)[0, 1]), _orthogonality(vectors, rows))


def _ordered(order: Ints, cosine: Floats) -> float:
    """The share of pairs of different order that the cosine has the right way round."""
    right = total = 0.0
    for level in np.unique(order)[1:]:
        high, low = cosine[order == level], np.sort(cosine[order < level])
        right += np.searchsorted(low, high).sum()
        total += len(high) * len(low)
    return right / total if total else float("nan")


def _orthogonality(vectors: Floats, rows: Labelled) -> dict[str, float]:
    directions: dict[str, list[Floats]] = {}
    for v in np.unique(rows.value):
        mine = rows.value == v
        for_, against = vectors[mine & (rows.direction > 0)], vectors[mine & (rows.direction < 0)]
        if len(for_) and len(against):
            found = for_.mean(0) - against.mean(0)
            directions.setdefault(rows.values[v].partition("/")[0], []).append(found / np.linalg.norm(found))
    result = {}
    for theory, parts in directions.items():
        if len(parts) > 1:
            cosines = np.abs(np.stack(parts) @ np.stack(parts).T)[np.triu_indices(len(parts), 1)]
            result[theory] = float(1 - cosines.mean())
    return result
