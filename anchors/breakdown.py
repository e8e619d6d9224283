"""Where a gauge is better and where worse: by register, by value and register, and by how sure it says it is.

Knows predictions and rows; nothing of how they were made. A mean over all rows hides the part that fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anchors.evaluation import (
    Figure,
    Predictions,
    Report,
    evaluate,
    figure,
    group_weights,
    weighted_mean,
    weighted_sd,
)
from anchors.train.rows import Rows

Ints = NDArray[np.int64]
DECILES = 10


@dataclass(frozen=True, slots=True)
class Decile:
    """Rows whose stated sd lies together: the mean stated sd, and the sd and mean size of their errors, in points."""

    rows: int
    stated: float
    error_sd: Figure
    mae: Figure
    coverage: float


@dataclass(frozen=True, slots=True)
class Cell:
    """Rows of one value in one register, and the share of them that the 90% interval covers."""

    rows: int
    covered: float


def by_register(predictions: Predictions, rows: Rows, held: Ints) -> dict[str, Report]:
    """All figures in each register: the fewest pairs in the right order first, those without pairs last."""
    registers = rows.registers()[held]
    found = {
        str(name): evaluate(predictions.only(registers == name), rows, held[registers == name])
        for name in np.unique(registers)
    }
    return dict(sorted(found.items(), key=lambda item: np.nan_to_num(item[1].pairwise.value, nan=np.inf)))


def by_stated_sd(predictions: Predictions, rows: Rows, held: Ints) -> list[Decile]:
    """Rows that speak to their value (judged relevance >= 0.5) in ten parts, from the surest to the least sure.

    A stated sd that says something makes the last part's errors larger than the first's; texts off the value are left
    out because nearly all of them are easy, which would be enough to make it look so. Raises ValueError without sd.
    """
    if predictions.sd is None:
        raise ValueError("the method states no sd")
    speaks = rows.relevance[held] >= 0.5
    held, sd, predictions = held[speaks], predictions.sd[speaks], predictions.only(speaks)
    if len(held) < DECILES:
        return []
    truth, topics = rows.intensity[held], rows.topics()[held]
    error = truth - predictions.intensity
    covered = predictions.covered(truth)

    def decile(part: Ints) -> Decile:
        weights, mine = group_weights(topics[part]), error[part]
        return Decile(
            len(part),
            float(sd[part].mean()),
            figure(weights, lambda w: weighted_sd(mine, w)),
            figure(weights, lambda w: weighted_mean(np.abs(mine), w)),
            float("nan") if covered is None else float(covered[part].mean()),
        )

    return [decile(part) for part in np.array_split(np.argsort(sd, kind="stable"), DECILES)]


def cells(predictions: Predictions, rows: Rows, held: Ints) -> Mapping[str, Mapping[str, Cell]]:
    """Coverage by value and register. Raises ValueError without intervals."""
    covered = predictions.covered(rows.intensity[held])
    if covered is None:
        raise ValueError("the method gives no interval")
    registers, value = rows.registers()[held], rows.value[held]
    return {
        rows.values[v]: {
            str(register): Cell(int(mine.sum()), float(covered[mine].mean()))
            for register in np.unique(registers)
            if (mine := (value == v) & (registers == register)).any()
        }
        for v in np.unique(value)
    }
