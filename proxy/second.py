"""A second opinion: a sample of answers measured by another gauge, to see if the loop fools its own.

Accepted ones say by how much; those of both arms of a rollout, however they ended, what the other gauge sees of its
effect. Knows outcomes, and an object that scores texts; nothing of how either gauge works, nor of where its scores are
kept. It never delays an answer, and is off where no second gauge is loaded.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from anchors.evaluator import Text
from anchors.score import Score
from policies.policy import Policy
from policies.verdict import Scores
from proxy.metrics import Metrics
from proxy.outcome import Outcome, R
from proxy.render import score_fields

_log = logging.getLogger(__name__)
SHARE = 0.05
AT_ONCE = 16
"""Answers being measured; beyond that none are taken."""


Keep = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Takes what was measured: the gauge's version, and the scores of the returned answer by value."""


class Scoring(Protocol):
    """What measures texts: the scoring queue of an evaluator, or a model that judges. `version` names it."""

    version: str

    async def score(self, texts: Sequence[Text], values: Sequence[str]) -> Sequence[Scores]:
        """Scores of each text, in order."""
        ...


class SecondOpinion:
    """Call `consider` with every outcome; `draw` gives numbers in [0, 1)."""

    def __init__(self, scoring: Scoring, metrics: Metrics, draw: Callable[[], float] = random.random) -> None:
        self._scoring = scoring
        self._metrics = metrics
        self._draw = draw
        self._open: set[asyncio.Task[None]] = set()

    def consider(self, outcome: Outcome[R], policy: Policy, question: str, keep: Keep) -> None:
        """Measure the answer in the background, if it was measured before and is drawn, whatever came of it."""
        if outcome.returned.choices and len(self._open) < AT_ONCE and self._draw() < SHARE:
            task = asyncio.create_task(self._measure(outcome, policy, question, keep))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def stop(self) -> None:
        """Wait for what is being measured."""
        await asyncio.gather(*self._open)

    async def _measure(self, outcome: Outcome[R], policy: Policy, question: str, keep: Keep) -> None:
        returned = outcome.returned
        number = next(n for n, attempt in enumerate(outcome.attempts, start=1) if attempt is returned)
        try:
            texts = [Text(returned.completion.texts[0], question)]
            second = (await self._scoring.score(texts, list(policy.hard or policy.targets)))[0]
        except Exception as error:  # nobody waits for it
            _log.error("the second gauge fails: %s", type(error).__name__)
            return
        found = {name: score for name, score in second.items() if isinstance(score, Score)}
        for name, theirs in found.items():
            ours = returned.choices[0].get(name)
            if isinstance(ours, Score) and outcome.name == "in_range":
                self._metrics.record_audit_gap(number, ours.intensity - theirs.intensity)
        if found:
            values = {name: score_fields(score) for name, score in found.items()}
            await keep({"evaluator": self._scoring.version, "values": values})
