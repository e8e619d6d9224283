"""What a retrieval map is trained on, and what the neighbours that it finds are worth.

Knows a VIDB's rows, statements and vectors; nothing of how vectors are made. Neighbours are panel texts, as evidence
would show them; they are sought for texts of topics that nothing was trained on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anchors.evaluation import (
    Figure,
    Predictions,
    evaluate,
    figure,
    group_weights,
    nearest_intensity,
    weighted_mean,
)
from anchors.train.hives import Labelled
from anchors.train.rows import Rows
from anchors.train.statements import Statement

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Read = Callable[[Sequence[str]], NDArray[np.float32]]
NEAREST = 8


def labelled(rows: Rows, which: Ints, statements: Sequence[Statement], read: Read) -> Labelled:
    """The rows numbered `which` that take a side on a value that they speak to, and the statements that do.

    `read` gives features (n, F) of n texts.
    """
    sided = which[(rows.relevance[which] >= 0.5) & (np.abs(rows.intensity[which]) >= 1)]
    said = [s for s in statements if s.level]
    texts = [rows.texts[t].text for t in rows.text[sided]] + [s.text for s in said]
    number = {text: n for n, text in enumerate(dict.fromkeys(texts))}
    text = np.array([number[t] for t in texts])
    return Labelled(
        read(list(number))[text],
        text,
        np.array([*rows.value[sided], *(rows.values.index(s.value) for s in said)]),
        np.sign([*rows.intensity[sided], *(s.level for s in said)]).astype(np.int64),
        rows.values,
    )


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Of the NEAREST panel texts: the shares that speak to the row's value, that take its side on it, and that are
    of its topic's field; and, of the value's own nearest anchors, how well their mean intensity orders rows."""

    same_value: Figure
    same_side: Figure
    same_field: Figure
    intensity_pairs: Figure


def neighbours(vectors: Floats, rows: Rows, held: Ints, field: Mapping[str, str]) -> Neighbours:
    """The figures over the rows `held` that speak to their value; intervals over topics.

    `vectors` (T, d) of all texts, rows of length 1; `field` of each topic.
    """
    panel = rows.where("panel")
    texts = np.unique(rows.text[panel])
    side = np.full((len(rows.texts), len(rows.values)), np.nan)
    speaks = panel[rows.relevance[panel] >= 0.5]
    side[rows.text[speaks], rows.value[speaks]] = np.sign(rows.intensity[speaks])
    fields = np.array([field.get(t.topic, "") for t in rows.texts])
    asked = held[rows.relevance[held] >= 0.5]
    near = texts[np.argsort(-(vectors[rows.text[asked]] @ vectors[texts].T), axis=1)[:, :NEAREST]]
    sides = side[near, rows.value[asked][:, None]]
    weights = group_weights(rows.topics()[asked])

    def share(hits: NDArray[np.bool_]) -> Figure:
        each = hits.mean(1)
        return figure(weights, lambda w: weighted_mean(each, w))

    by_anchors = Predictions(nearest_intensity(vectors, rows, held, NEAREST))
    return Neighbours(
        same_value=share(np.isfinite(sides)),
        same_side=share(sides == np.sign(rows.intensity[asked])[:, None]),
        same_field=share(fields[near] == fields[rows.text[asked]][:, None]),
        intensity_pairs=evaluate(by_anchors, rows, held).pairwise,
    )
