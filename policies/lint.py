"""Advice on a policy at load: what its gauge cannot confirm, what its model cannot reach, what works against itself.

Knows policies, curves and the gauge's error by value; nothing of files. Advice is a sentence; nothing is refused here.
"""

import itertools
from collections.abc import Mapping, Sequence
from math import inf, sqrt

import numpy as np

from anchors.values import catalogue
from policies.curve import GENERIC
from policies.dose import chance
from policies.instruct import RUNGS
from policies.plant import Plant, kinship
from policies.policy import Policy, Target

NARROW = 1.3
"""A tolerance below so many sds of the gauge is hardly ever confirmed."""
OUT_OF_REACH = 0.2


def advice(policy: Policy, gauge_sd: Mapping[str, float], plants: Sequence[Plant]) -> list[str]:
    """What the author of the policy should know, one sentence each; `gauge_sd` in points by value id.

    `plants` are this tenant's views of the served models; without answers of theirs there is "no data yet".
    """
    found = []
    for name, target in policy.hard.items():
        if name in gauge_sd:
            found += _narrow(name, target, gauge_sd[name], policy.accept)
        found += [text for plant in plants if (text := _reach(name, target, plant))]
    for (one, target), (other, rival) in itertools.combinations(policy.targets.items(), 2):
        kin = kinship(catalogue()[one], catalogue()[other])
        if (kin < 0 and _upward(target) and _upward(rival)) or (kin > 0 and _upward(target) != _upward(rival)):
            side = "opposed: the stronger one lowers the other" if kin < 0 else "akin: they move together"
            found.append(f"{one} and {other} are {side}; published models kept both wishes in about half of such cases")
    return found


def greatest_chance(target: Target, sd: float) -> float:
    """The largest P(in range) an answer can get: measured in the middle of the range, where the curve lies, too."""
    low, high = target.range
    if inf in (high, -low):
        return 1.0
    posterior = 1 / sqrt(1 / sd**2 + 1 / float(GENERIC.spread) ** 2)
    return float(chance((low + high) / 2, posterior, low, high))


def _narrow(name: str, target: Target, sd: float, accept: float) -> list[str]:
    low, high = target.range
    half = (high - low) / 2
    if half >= NARROW * sd:
        return []
    most = greatest_chance(target, sd)
    text = f"{name}: half the range is {half:g}, below {NARROW} x the gauge's sd of {sd:.1f}; P is at most {most:.2f}"
    if most < accept:
        text += f", so accept: {accept:g} is never met"
    return [f"{text}. A min or max alone is often the better form"]


def _reach(name: str, target: Target, plant: Plant) -> str:
    key = plant.key(name, "fresh")
    if (plant.store.own(key) + plant.store.others(key)).count.sum() < 1:
        return f"{name} on {plant.model}: no data yet; `valueflow study {plant.model}` measures what it can reach"
    curve = plant.curve(name, target.aim)
    rungs = slice(0, len(RUNGS))
    spread = np.sqrt(np.diagonal(curve.cov)[rungs] + curve.spread**2)
    best = float(chance(curve.mean[rungs], spread, *target.range).max())
    if best >= OUT_OF_REACH:
        return ""
    return (
        f"{name} on {plant.model}: out of reach, at best P {best:.2f};"
        f" its answers lie between {curve.mean[0]:+.1f} and {curve.mean[len(RUNGS) - 1]:+.1f}"
    )


def _upward(target: Target) -> bool:
    """Whether the range asks for more than unsteered answers have."""
    return target.aim > float(GENERIC.mean[RUNGS.index(0.0)])
