"""The second opinion: what is sampled, and what the metric says."""

import asyncio
from collections.abc import Sequence

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


def considered(second: Second, draw: float = 0.0, name: str = "in_range") -> str:
    metrics = Metrics(["t"], ["m"], [VALUE])

    async def main() -> None:
        opinion = SecondOpinion(second, metrics, lambda: draw)
        opinion.consider(outcome(name), POLICY, "Why?")
        await opinion.stop()

    asyncio.run(main())
    return metrics.text().decode()


def test_the_gap_is_told_by_the_attempt() -> None:
    second = Second(score(1.5))
    shown = considered(second)
    assert second.seen == [Text("text 1", "Why?")]
    assert 'valueflow_audit_gap_bucket{attempt="2",le="2.0"} 0.0' in shown
    assert 'valueflow_audit_gap_bucket{attempt="2",le="3.0"} 1.0' in shown


@pytest.mark.parametrize(("draw", "name"), [(SHARE, "in_range"), (0.0, "missed"), (0.0, "monitored")])
def test_only_a_sample_of_accepted_answers_is_measured(draw: float, name: str) -> None:
    second = Second(score(1.5))
    considered(second, draw, name)
    assert not second.seen


@pytest.mark.parametrize("answer", [Unscored("overloaded"), RuntimeError("secret words")])
def test_a_gauge_that_cannot_tell_says_nothing(answer: Unscored | Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert "valueflow_audit_gap_bucket" not in considered(Second(answer))
    assert "secret" not in caplog.text
