"""What is known of one model's answers to doses: curves by value and tactic, cross-effects of values, and memory.

Knows whose observations make a curve; nothing of prompts, policies or databases. A store of the sums is handed in.
"""

from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple, Protocol, get_args

import numpy as np

from anchors.values import Value, catalogue
from policies.curve import GENERIC, KEEP, OF_TENANT, Curve, Floats, Sums, learned, smooth
from policies.instruct import RUNGS, Doses, Tactic

TACTICS: tuple[Tactic, ...] = get_args(Tactic)

STUDY = ""
"""The tenant whose sums a study leaves: it is nobody's, and its weight in the pooled prior is not capped."""
TENANT_WEIGHT = 60.0
"""What one tenant's answers count for, at most, in the prior of the others."""
MAX_CURVES = 50_000
"""Curves in memory; what comes later is not learned."""
MAX_HABITS = 10_000

GAIN = 0.4
"""How much of the gap a rewrite is believed to close before one was seen. Published: told its measurement, a model hit
an exact target 4 times of 5; a rewrite also stays near its draft."""
NEUTRAL = RUNGS.index(0.0)
EXEMPLARS_AGAINST = -1.0
"""What exemplars are believed to add to a dose against a value before any were seen, in points: an assumption. Words
alone hardly move models there; for a value nothing is expected of them but their price."""
_OF_EXEMPLARS = EXEMPLARS_AGAINST * (np.array(RUNGS) < 0)
_OWN = smooth(np.full(len(RUNGS), 0.8), 0.9)
"""How far a tactic's curve may lie from what that of asking afresh makes one expect."""
_SHARES = np.array([1.0, 1 - GAIN, 1.0])
"""How much of a shift of the fresh curve each tactic's shares: a rewrite closes its part of the gap."""
_OF_TACTICS = np.kron(np.outer(_SHARES, _SHARES), GENERIC.cov) + np.kron(np.diag([0.0, 1.0, 1.0]), _OWN)
"""One tactic tells of the others."""
_OF_TENANT = np.tile(OF_TENANT, (len(TACTICS), len(TACTICS)))

SIMILAR, OPPOSED = 0.1, -0.35
"""What a value's shift is worth to one of its own group, and to one across the circle. Published for two pairs: similar
values add a little; of opposed ones the weaker gives up a third and more."""
OF_BESIDE = smooth(np.where(np.arange(len(RUNGS)) == NEUTRAL, 0.0, 0.8), 0.8)
"""How far a pair's cross-effect may lie from that; a value that is not asked for does nothing."""
_ACROSS = {
    "self-transcendence": "self-enhancement", "self-enhancement": "self-transcendence",
    "openness-to-change": "conservation", "conservation": "openness-to-change",
}  # fmt: skip


class Key(NamedTuple):
    """Whose curve of what; `tactic` is a Tactic, or `beside VALUE` for what that value's dose does to this one."""

    tenant: str
    model: str
    value: str
    tactic: str
    evaluator: str


class CurveStore(Protocol):
    """Where the sums are kept."""

    def own(self, key: Key) -> Sums:
        """This tenant's sums."""
        ...

    def others(self, key: Key) -> Sums:
        """The sums of all other tenants, each with its weight capped, and of studies."""
        ...

    def learn(self, key: Key, rung: int, intensity: float, sd: float) -> None:
        """One more measurement at the rung with this number."""
        ...

    def habit(self, key: Key, doses: Doses | None = None) -> Doses:
        """The doses that requests of this kind began with last, after setting them where some are given."""
        ...


class Memory:
    """A CurveStore in this process."""

    def __init__(self) -> None:
        self.sums: dict[Key, Sums] = {}
        self._pooled: dict[Key, Sums] = {}
        self._habits: dict[Key, Doses] = {}

    def own(self, key: Key) -> Sums:
        """As the protocol says."""
        return self.sums.get(key, _NOTHING)

    def others(self, key: Key) -> Sums:
        """As the protocol says."""
        return self._pooled.get(_anyone(key), _NOTHING) + _counted(key, self.own(key)).times(-1.0)

    def learn(self, key: Key, rung: int, intensity: float, sd: float) -> None:
        """As the protocol says; a study forgets nothing."""
        self.put(key, self.own(key).seen(rung, intensity, sd, 1.0 if key.tenant == STUDY else KEEP))

    def put(self, key: Key, sums: Sums) -> None:
        """Replace a curve's sums."""
        if key in self.sums or len(self.sums) < MAX_CURVES:
            self._pooled[_anyone(key)] = self.others(key) + _counted(key, sums)
            self.sums[key] = sums

    def habit(self, key: Key, doses: Doses | None = None) -> Doses:
        """As the protocol says."""
        if doses is not None:
            self._habits.pop(key, None)
            while len(self._habits) >= MAX_HABITS:
                self._habits.pop(next(iter(self._habits)))
            self._habits[key] = doses
        return self._habits.get(key, {})


_NOTHING = Sums.none()


def _anyone(key: Key) -> Key:
    return key._replace(tenant="*")


def _counted(key: Key, sums: Sums) -> Sums:
    return sums if key.tenant == STUDY else sums.capped(TENANT_WEIGHT)


@dataclass(slots=True)
class Plant:
    """One model as one tenant sees it through one gauge, for the length of a request: curves are made once."""

    store: CurveStore = field(default_factory=Memory)
    tenant: str = "tenant"
    model: str = "model"
    evaluator: str = ""
    _curves: dict[str, Curve] = field(default_factory=dict)
    _beside: dict[tuple[str, str], Floats] = field(default_factory=dict)

    def curve(self, value: str, aim: float) -> Curve:
        """Over the actions: the nine rungs of every tactic in turn; a rewrite is told to come to `aim`."""
        if value not in self._curves:
            told = GENERIC.mean + GAIN * (aim - GENERIC.mean)
            mean = np.concatenate([GENERIC.mean, told, GENERIC.mean + _OF_EXEMPLARS])
            prior = Curve(mean, _OF_TACTICS, GENERIC.spread)
            keys = [self.key(value, tactic) for tactic in TACTICS]
            others = reduce(Sums.joined, (self.store.others(key) for key in keys))
            own = reduce(Sums.joined, (self.store.own(key) for key in keys))
            self._curves[value] = learned(learned(prior, others).wider(_OF_TENANT), own)
        return self._curves[value]

    def beside(self, value: str, other: str) -> Floats:
        """What the other value's dose does to this one's intensity, by the other's rung, (9,); 0 at neutral."""
        if (value, other) not in self._beside:
            affinity = kinship(catalogue()[value], catalogue()[other])
            effect = GENERIC.mean - GENERIC.mean[NEUTRAL]
            prior = Curve(affinity * effect, OF_BESIDE, GENERIC.spread)
            key = self.key(value, f"beside {other}")
            pooled = learned(prior, self.store.others(key), rising=False)
            self._beside[value, other] = learned(pooled.wider(OF_BESIDE / 4), self.store.own(key), rising=False).mean
        return self._beside[value, other]

    def expected(self, value: str) -> float | None:
        """The mean intensity of unsteered answers; None while fewer than five are known."""
        sums = self.store.own(self.key(value, "fresh")) + self.store.others(self.key(value, "fresh"))
        return float(sums.mean[NEUTRAL]) if sums.count[NEUTRAL] >= 4.5 else None

    def learn(self, value: str, tactic: str, rung: int, intensity: float, sd: float) -> None:
        """One more measurement; curves of this request stay as they are."""
        self.store.learn(self.key(value, tactic), rung, intensity, sd)

    def key(self, value: str, tactic: str) -> Key:
        """The key of this plant's own curve."""
        return Key(self.tenant, self.model, value, tactic, self.evaluator)


def kinship(one: Value, other: Value) -> float:
    """SIMILAR for values that share a group, OPPOSED for those across Schwartz's circle, else 0."""
    if one.theory == other.theory and set(one.groups) & set(other.groups):
        return SIMILAR
    return OPPOSED if any(_ACROSS.get(group) in other.groups for group in one.groups) else 0.0
