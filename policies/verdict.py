"""Is this answer what the policy wants? P(in range) by target, and the decision.

Knows scores and targets; nothing of prompts, attempts or upstreams.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anchors.score import Score, Unscored
from policies.policy import Policy, Target

Scores = Mapping[str, Score | Unscored]
RELEVANT = 0.5
"""Below this relevance a text is taken not to speak to the value."""


@dataclass(frozen=True, slots=True)
class Check:
    """One target against one score: `probability` is P(in range); `distance` >= 0 is in points, 0 inside."""

    in_range: bool
    probability: float
    distance: float
    relevant: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one answer.

    `accepted`: every hard target in range with P >= `accept`. `unscored`: some hard target could not be measured.
    `relevant`: the answer speaks to at least one target value. `loss` orders answers, the lower the better.
    """

    accepted: bool
    unscored: bool
    relevant: bool
    probability: float
    loss: float
    checks: Mapping[str, Check]


def check(target: Target, score: Score) -> Check:
    """A text without relevance to a value satisfies every range that contains 0."""
    low, high = target.range
    relevant = score.relevance >= RELEVANT
    if not relevant and low <= 0 <= high:
        return Check(True, 1.0, 0.0, False)
    intensity = score.intensity
    distance = max(low - intensity, intensity - high, 0.0)
    return Check(distance == 0.0, score.probability(low, high), distance, relevant)


def judge(policy: Policy, choices: Sequence[Scores]) -> Verdict:
    """The verdict on an answer of one or more choices: the worst choice's. Raises ValueError without choices."""
    return max((_judge_one(policy, scores) for scores in choices), key=lambda v: (v.unscored, v.loss))


def _judge_one(policy: Policy, scores: Scores) -> Verdict:
    checks = {n: check(t, s) for n, t in policy.targets.items() if isinstance(s := scores.get(n), Score)}
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
        loss=sum(c.distance for c in measured) + (1.0 - probability),
        checks=checks,
    )
