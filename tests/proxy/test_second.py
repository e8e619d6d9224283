"""The second opinion: what is sampled, and what the metric says."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from anchors.evaluator import Text
from anchors.score import Score, Unscored
from policies.instruct import Instruction
from policies.policy import Policy, Target
from policies.verdict import Scores
from proxy.metrics import Metrics
from proxy.outcome import Attempt, Completion, Outcome
from proxy.second import SHARE, SecondOpinion

VALUE = "svt/power"
POLICY = Policy(tenant="t", targets={VALUE: Target(min=1, hard=True)})


class Second:
    """A fake second gauge: always the same answer."""

    version = "second"

    def __init__(self, answer: Score | Unscored | Exception) -> None:
        self.answer = answer
        self.seen: list[Text] = []

    async def score(self, texts: Sequence[Text], values: Sequence[str]) -> Sequence[Scores]:
        self.seen += texts
        if isinstance(self.answer, Exception):
            raise self.answer
        return [dict.fromkeys(values, self.answer) for _ in texts]


def score(intensity: float) -> Score:
    return Score(intensity, 1.0, intensity - 2, intensity + 2, 1.0, intensity)


def outcome(name: str = "in_range") -> Outcome[int]:
    attempts = [
        Attempt(Instruction({}), Completion(n, [f"text {n}"], 9), [{VALUE: score(3.0 + n)}], None, 1.0) for n in (0, 1)
    ]
    return Outcome(name, attempts[1], attempts)  # type: ignore[arg-type]


def considered(
    second: Second, draw: float = 0.0, name: str = "in_range", policy: Policy = POLICY
) -> tuple[str, list[Mapping[str, Any]]]:
    metrics = Metrics(["t"], ["m"], [VALUE])
    kept = []

    async def keep(found: Mapping[str, Any]) -> None:
        kept.append(found)

    async def main() -> None:
        opinion = SecondOpinion(second, metrics, lambda: draw)
        opinion.consider(outcome(name), policy, "Why?", keep)
        await opinion.stop()

    asyncio.run(main())
    return metrics.text().decode(), kept


def test_the_gap_is_told_by_the_attempt() -> None:
    second = Second(score(1.5))
    shown, kept = considered(second)
    assert second.seen == [Text("text 1", "Why?")]
    assert 'valueflow_audit_gap_bucket{attempt="2",le="2.0"} 0.0' in shown
    assert 'valueflow_audit_gap_bucket{attempt="2",le="3.0"} 1.0' in shown
    fields = {"intensity": 1.5, "sd": 1.0, "low": -0.5, "high": 3.5, "relevance": 1.0}
    assert kept == [{"evaluator": "second", "values": {VALUE: fields}}]


def test_only_a_sample_is_measured() -> None:
    second = Second(score(1.5))
    assert considered(second, draw=SHARE)[1] == second.seen == []


@pytest.mark.parametrize("name", ["missed", "monitored", "steered"])
def test_both_arms_are_sampled_whatever_came_of_them(name: str) -> None:
    soft = Policy(tenant="t", mode="steer", targets={VALUE: Target(min=1)})
    shown, kept = considered(Second(score(1.5)), name=name, policy=soft)
    assert list(kept[0]["values"]) == [VALUE]
    assert "valueflow_audit_gap_bucket" not in shown  # which is of accepted answers


@pytest.mark.parametrize("answer", [Unscored("overloaded"), RuntimeError("secret words")])
def test_a_gauge_that_cannot_tell_says_nothing(answer: Unscored | Exception, caplog: pytest.LogCaptureFixture) -> None:
    shown, kept = considered(Second(answer))
    assert "valueflow_audit_gap_bucket" not in shown
    assert not kept
    assert "secret" not in caplog.text
