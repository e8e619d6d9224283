"""Is this answer what the policy wants? P(in range) by target, and the decision.

Knows scores, beliefs and targets; nothing of prompts, attempts or upstreams.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from anchors.score import Score, Unscored
from policies.dose import chance
from policies.policy import Policy, Target

Scores = Mapping[str, Score | Unscored]
RELEVANT = 0.5
"""Below this relevance a text is taken not to speak to the value."""
DOUBTFUL = 0.25
"""Above this relevance silence on a value excuses nothing: of the calibration split's texts read between this and
RELEVANT a third do speak to it, of those below one in ten."""


class Belief(NamedTuple):
    """What an answer says of a value, if it speaks to it: measurement, curve and the request's other answers together.

    Mean and sd in points.
    """

    mean: float
    sd: float


Beliefs = Mapping[str, Belief]


@dataclass(frozen=True, slots=True)
class Check:
    """One target against one score: `probability` is P(in range); `distance` >= 0 is in points, 0 inside.

    `belief` is that of the intensity, zero where the text is silent; without relevance it is known to be nothing else.
    """

    in_range: bool
    probability: float
    distance: float
    relevant: bool
    belief: Belief


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one answer.

    `accepted`: every hard target in range with P >= `accept`. `unscored`: some hard target could
    not be measured. `relevant`: the answer speaks to at least one target value. `probability` is P(all hard targets in
    range). `loss` orders answers, the lower the better. `choice` is the number of the choice that decided.
    """

    accepted: bool
    unscored: bool
    relevant: bool
    probability: float
    loss: float
    checks: Mapping[str, Check]
    choice: int = 0


def check(target: Target, score: Score, belief: Belief | None = None) -> Check:
    """A text that does not speak to a value satisfies every range that contains 0; whether it does is not certain.

    P = relevance * P(the stance lies in range) + (1 - relevance) * [0 does]. The stance is the belief's, without one
    the measurement's. Range and distance are the raw measurement's, but for texts that hardly speak to the value.
    """
    low, high = target.range
    spoken, silent = score.relevance, 1.0 - score.relevance
    mean, sd = belief or score.stance
    zero = low <= 0 <= high
    distance = max(low - score.intensity, score.intensity - high, 0.0)
    if zero and spoken < DOUBTFUL:
        distance = 0.0
    mixed = Belief(spoken * mean, sqrt(spoken * sd**2 + spoken * silent * mean**2))
    probability = spoken * float(chance(mean, sd, low, high)) + silent * zero
    return Check(distance == 0.0, probability, distance, spoken >= RELEVANT, mixed)


def judge(policy: Policy, choices: Sequence[Scores], beliefs: Sequence[Beliefs] = ()) -> Verdict:
    """The verdict on an answer of one or more choices: the worst choice's. Raises ValueError without choices."""
    each = beliefs or [{}] * len(choices)
    judged = (_judge_one(policy, *one, n) for n, one in enumerate(zip(choices, each, strict=True)))
    return max(judged, key=lambda v: (v.unscored, v.loss))


def _judge_one(policy: Policy, scores: Scores, beliefs: Beliefs, choice: int) -> Verdict:
    found = {n: s for n in policy.targets if isinstance(s := scores.get(n), Score)}
    checks = {n: check(policy.targets[n], s, beliefs.get(n)) for n, s in found.items()}
    hard = [checks.get(name) for name in policy.hard]
    measured = [c for c in hard if c is not None]
    unscored = len(measured) < len(hard) or not checks
    # P(all hard targets): a product, as if errors were independent; with at most 3 targets the bound is not far off.
    probability = 1.0
    for c in measured:
        probability *= c.probability
    return Verdict(
        accepted=not unscored and all(c.in_range and c.probability >= policy.accept for c in measured),
        unscored=unscored,
        relevant=any(c.relevant for c in checks.values()),
        probability=probability,
        # mostly P; where it is nil for all answers, the nearer one is the better one
        loss=(1.0 - probability) + sum(c.distance for c in measured) / 10,
        checks=checks,
        choice=choice,
    )
