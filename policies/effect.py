"""The effect of a policy by intention to treat: treated and control conversations compared, with a clustered interval.

Knows numbers by conversation and arm; nothing of where they come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np


@dataclass(frozen=True, slots=True)
class Effect:
    """Mean of each arm, their difference and its 95% interval; `answers` and `conversations` as (treated, control)."""

    treated: float
    control: float
    difference: float
    low: float
    high: float
    answers: tuple[int, int]
    conversations: tuple[int, int]


def effect(rows: Sequence[tuple[str, bool, float]]) -> Effect | None:
    """The effect from (conversation, treated, value) rows; None when an arm is empty.

    Answers of one conversation are not independent, so the interval is clustered by conversation (Liang and Zeger
    1986); an arm with one conversation has an endless one.
    """
    arms = []
    for treated in (True, False):
        mine = [(conversation, value) for conversation, arm, value in rows if arm == treated]
        if not mine:
            return None
        values = np.array([value for _, value in mine])
        _, cluster = np.unique([conversation for conversation, _ in mine], return_inverse=True)
        groups = int(cluster.max()) + 1
        sums = np.bincount(cluster, values - values.mean())
        variance = inf if groups < 2 else float((sums**2).sum()) / len(values) ** 2 * groups / (groups - 1)
        arms.append((float(values.mean()), variance, len(values), groups))
    (mean, variance, n, groups), (base, spread, m, others) = arms
    half = 1.96 * sqrt(variance + spread)
    difference = mean - base
    return Effect(mean, base, difference, difference - half, difference + half, (n, m), (groups, others))
