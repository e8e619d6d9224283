"""How a gauge does on a writer, a register or a value that it was not made with: refitted without, tested on it.

Refits what takes seconds: panel, reading of words, mix, sharpness, map and sd. The network is kept, and it has seen
the panel texts of what is left out, so its share of the figures is too good. Knows rows and the refit; nothing of how
figures are shown. A value that is left out keeps its anchors, as a user's own value would bring some; the register
`statement` takes the short statements with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anchors.encoder import Encode
from anchors.evaluation import Predictions, gauge_predictions
from anchors.evaluator import Evaluator
from anchors.gauge import Gauge
from anchors.reader import Read
from anchors.train.gauge import assemble, calibrated
from anchors.train.rows import Rows
from anchors.train.statements import Statement
from anchors.values import catalogue

Ints = NDArray[np.int64]
By = Literal["writer", "register", "value"]
GROUPINGS: tuple[By, ...] = get_args(By)
LEAST = 8
"""Groups with fewer rows to test on are left out of the table."""


@dataclass(frozen=True, slots=True)
class Left:
    """What was left out, which of the tested rows (places in them) it has, and the predictions without it."""

    name: str
    places: Ints
    predictions: Predictions


def groups(rows: Rows, by: By) -> NDArray[np.str_]:
    """Each row's writer, register or value."""
    if by == "value":
        return np.array(rows.values)[rows.value]
    return rows.writers() if by == "writer" else rows.registers()


def leave_out(
    gauge: Gauge, rows: Rows, held: Ints, encoder: Encode, read: Read, statements: Sequence[Statement], by: By
) -> Iterator[Left]:
    """Group by group. `held` are the rows to test on; nothing is fitted to them unless they are calibration rows.

    Raises ValueError where no group has LEAST rows.
    """
    group = groups(rows, by)
    served = rows.where("panel", "calibration")
    names, counts = np.unique(group[held], return_counts=True)
    if counts.max(initial=0) < LEAST:
        raise ValueError(f"no {by} has {LEAST} rows to test on")
    for name in names[counts >= LEAST].tolist():
        places = np.flatnonzero(group[held] == name)
        kept = rows.only(served[group[served] != name])
        known = [s for s in statements if name not in ("statement", s.value)]
        draft = assemble(kept, encoder, catalogue(), gauge.backbone, gauge.network, gauge.vidb, known)
        if by == "value":
            draft = replace(draft, **{part: getattr(gauge, part) for part in _ANCHORS})
        refitted = calibrated(draft, kept, encoder, read)
        yield Left(name, places, gauge_predictions(Evaluator(encoder, refitted, read), rows, held[places]))


_ANCHORS = (
    "anchor_value", "anchor_embedding", "anchor_intensity", "anchor_utility", "anchor_id", "anchor_text",
)  # fmt: skip
