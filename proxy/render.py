"""An outcome as clients and the audit trail see it: headers and the `valueflow` object of the contract.

Knows outcomes, policies and scores; nothing of the wire that carries them.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from anchors.score import Score
from policies.policy import Policy
from policies.verdict import Scores, check
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


def report(outcome: Outcome[R], policy: Policy, evaluator: str) -> dict[str, Any]:
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
    }


def broken_off(outcome: str, policy: Policy, evaluator: str, asked: int, billed: int) -> dict[str, Any]:
    """The audit's record of a request that ended without an outcome after `asked` attempts were begun."""
    return {
        "outcome": outcome,
        "policy": policy.name,
        "evaluator": evaluator,
        "asked": asked,
        "tokens": {"billed": billed, "returned": 0},
    }


def _values(policy: Policy, attempt: Attempt[R]) -> dict[str, Any]:
    """Scores of the choice that decided: the worst one."""
    if not attempt.choices:
        return {}
    worst = max(attempt.choices, key=lambda scores: _loss(policy, scores))
    return {name: _value(policy, name, worst) for name in policy.targets if name in worst}


def _loss(policy: Policy, scores: Scores) -> float:
    found = {n: s for n, s in scores.items() if isinstance(s, Score) and n in policy.targets}
    return sum(check(policy.targets[n], s).distance for n, s in found.items() if policy.targets[n].hard)


def _value(policy: Policy, name: str, scores: Scores) -> dict[str, Any]:
    score = scores[name]
    low, high = policy.targets[name].range
    wanted = [low if isfinite(low) else None, high if isfinite(high) else None]
    if not isinstance(score, Score):
        return {"unscored": score.reason, "range": wanted}
    return score_fields(score) | {"range": wanted, "p": round(check(policy.targets[name], score).probability, 3)}


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


def intensities(outcome: Outcome[R]) -> Mapping[str, float]:
    """The returned answer's intensities, of its first choice, for metrics."""
    first = outcome.returned.choices[0] if outcome.returned.choices else {}
    return {name: score.intensity for name, score in first.items() if isinstance(score, Score)}
