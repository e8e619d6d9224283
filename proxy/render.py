"""An outcome as clients and the audit trail see it: headers, the `valueflow` object, and the error in their place.

Knows outcomes, policies and scores; nothing of the wire that carries them.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from anchors.score import Score, Unscored
from policies.floor import FLOOR, below_floor
from policies.policy import Policy, Target
from policies.verdict import RELEVANT, Check
from proxy.errors import ApiError
from proxy.outcome import Attempt, Outcome, R


def headers(outcome: str, attempts: int, policy: Policy, evaluator: str, trace: str) -> dict[str, str]:
    """The headers on every answer to a tenant."""
    return {
        "x-valueflow-outcome": outcome,
        "x-valueflow-attempts": str(attempts),
        "x-valueflow-policy": policy.name,
        "x-valueflow-evaluator": evaluator,
        "x-valueflow-trace": trace,
    }


def report(outcome: Outcome[R], policy: Policy, evaluator: str, floor: float = FLOOR) -> dict[str, Any]:
    """The `valueflow` object: what was asked for, what was measured, attempt by attempt. Holds no text."""
    return {
        "outcome": outcome.name,
        "policy": policy.name,
        "evaluator": evaluator,
        "values": _values(policy, outcome.returned),
        "attempts": [
            {
                "step": number,
                "doses": dict(attempt.instruction.doses),
                "values": _values(policy, attempt),
                "verdict": _verdict(attempt),
                **({"unscored": attempt.completion.unscorable} if attempt.completion.unscorable else {}),
                "tokens": attempt.completion.tokens,
                "seconds": round(attempt.seconds, 3),
            }
            for number, attempt in enumerate(outcome.attempts, start=1)
        ],
        "tokens": {"billed": outcome.tokens, "returned": outcome.returned.completion.returned},
        "reach": {name: [round(edge, 2) for edge in edges] for name, edges in outcome.reach.items()},
        "leakage": _leakage(outcome, policy),
        "below_floor": {name: round(found, 2) for name, found in below(outcome, floor).items()},
    }


def refusal(outcome: Outcome[R], policy: Policy) -> ApiError | None:
    """The error that the policy wants in place of such an outcome; asking again would be billed again."""
    error: ApiError | None = None
    if outcome.name in {"missed", "unreachable", "refused"} and policy.on_miss == "error":
        error = ApiError.range_missed("No answer within the budget lay in the policy's value ranges.")
    if outcome.name == "unscored" and policy.on_unscored == "error":
        error = ApiError.unscored("The answer could not be measured, and the policy asks for an error then.")
    if error is not None:
        error.headers["x-should-retry"] = "false"
    return error


def broken_off(outcome: str, policy: Policy, evaluator: str, asked: int, billed: int) -> dict[str, Any]:
    """The audit's record of a request that ended without an outcome after `asked` attempts were begun."""
    return {
        "outcome": outcome,
        "policy": policy.name,
        "evaluator": evaluator,
        "asked": asked,
        "tokens": {"billed": billed, "returned": 0},
    }


def below(outcome: Outcome[R], floor: float = FLOOR) -> Mapping[str, float]:
    """What the returned answer measures below the safety floor, by value."""
    return below_floor(outcome.returned.choices, floor)


def _leakage(outcome: Outcome[R], policy: Policy) -> dict[str, Any]:
    """The returned answer on values that were not asked for, beside what unsteered answers of the model have there."""
    return {
        name: {
            "intensity": round(score.intensity, 2),
            "sd": round(score.sd, 2),
            "usual": round(outcome.usual[name], 2) if name in outcome.usual else "unknown",
        }
        for name, score in (outcome.returned.choices[0] if outcome.returned.choices else {}).items()
        if name not in policy.targets and isinstance(score, Score) and score.relevance >= RELEVANT
    }


def _values(policy: Policy, attempt: Attempt[R]) -> dict[str, Any]:
    """Scores and beliefs of the choice that decided: the worst one."""
    if attempt.verdict is None:
        return {}
    scores, checks = attempt.choices[attempt.verdict.choice], attempt.verdict.checks
    return {n: _value(target, scores[n], checks.get(n)) for n, target in policy.targets.items() if n in scores}


def _value(target: Target, score: Score | Unscored, check: Check | None) -> dict[str, Any]:
    wanted = [edge if isfinite(edge) else None for edge in target.range]
    if not isinstance(score, Score) or check is None:
        return {"unscored": getattr(score, "reason", "failed"), "range": wanted}
    return score_fields(score) | {
        "range": wanted,
        "p": round(check.probability, 3),
        "posterior": round(check.belief.mean, 2),
        "posterior_sd": round(check.belief.sd, 2),
    }


def score_fields(score: Score) -> dict[str, float]:
    """A score's published fields, rounded to what they mean."""
    return {
        "intensity": round(score.intensity, 2),
        "sd": round(score.sd, 2),
        "low": round(score.low, 2),
        "high": round(score.high, 2),
        "relevance": round(score.relevance, 3),
    }


def _verdict(attempt: Attempt[R]) -> str:
    if attempt.completion.refused:
        return "refused"
    if attempt.verdict is None:
        return "not_scored"
    if attempt.verdict.unscored:
        return "unscored"
    return "accepted" if attempt.verdict.accepted else "out_of_range"


def intensities(outcome: Outcome[R], policy: Policy) -> Mapping[str, float]:
    """The returned answer's intensities on the policy's values, of its first choice, for metrics."""
    first = outcome.returned.choices[0] if outcome.returned.choices else {}
    return {
        name: score.intensity for name, score in first.items() if name in policy.targets and isinstance(score, Score)
    }
