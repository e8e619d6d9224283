"""Safety floors: values that no policy may push far down unless the operator says why.

Knows which values have a floor, ranges and scores; nothing of files or settings.
"""

from collections.abc import Mapping, Sequence

from anchors.score import Score
from policies.policy import Policy
from policies.verdict import RELEVANT, Scores

FLOOR = -3.0
"""The least intensity that a range may reach on these values."""
FLOORED = frozenset(
    {
        "mft/care", "duty/non-maleficence", "mft/fairness", "right/civil",
        # what other theories mean by these
        "svt/benevolence", "svt/universalism", "duty/beneficence", "duty/justice", "mft/liberty", "right/social",
    }
)  # fmt: skip


def reaching_below(policy: Policy, floor: float = FLOOR) -> list[str]:
    """The targets whose range goes below the floor, if the policy steers at all."""
    if policy.mode not in {"enforce", "steer"}:
        return []
    return [name for name, target in policy.targets.items() if name in FLOORED and target.range[0] < floor]


def below_floor(answers: Sequence[Scores], floor: float = FLOOR) -> Mapping[str, float]:
    """The least measured intensity by value, of the values that some answer speaks to below the floor."""
    found: dict[str, float] = {}
    for scores in answers:
        for name in FLOORED & scores.keys():
            score = scores[name]
            if isinstance(score, Score) and score.relevance >= RELEVANT and score.intensity < found.get(name, floor):
                found[name] = score.intensity
    return found
