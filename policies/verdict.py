"""Is this answer what the policy wants? P(in range) by target, and the decision.

Knows scores, beliefs and targets; nothing of prompts, attempts or upstreams.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from anchors.score import Score, Unscored
from policies.dose import chance
from policies.policy import Policy, Target

Scores = Mapping[str, Score | Unscored]
RELEVANT = 0.5
"""Below this relevance a text is taken not to speak to the value."""


class Belief(NamedTuple):
    """An answer's intensity once measurement, curve and the request's other answers are weighed together, in points."""

    mean: float
    sd: float


Beliefs = Mapping[str, Belief]


@dataclass(frozen=True, slots=True)
class Check:
    """One target against one score: `probability` is P(in range); `distance` >= 0 is in points, 0 inside."""

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
    """A text without relevance to a value satisfies every range that contains 0.

    Without a belief the measurement stands alone. Range and distance are the raw measurement's, P is the belief's.
    """
    low, high = target.range
    belief = belief or Belief(score.intensity, score.sd)
    relevant = score.relevance >= RELEVANT
    if not relevant and low <= 0 <= high:
        return Check(True, 1.0, 0.0, False, belief)
    distance = max(low - score.intensity, score.intensity - high, 0.0)
    return Check(distance == 0.0, float(chance(*belief, low, high)), distance, relevant, belief)


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
