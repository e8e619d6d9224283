"""A second opinion: a sample of accepted answers measured by another gauge, to see if the loop fools its own.

Knows outcomes, and an object that scores texts; nothing of how either gauge works. It never delays an answer, and is
off where no second gauge is loaded.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from anchors.evaluator import Text
from anchors.score import Score
from policies.policy import Policy
from policies.verdict import Scores
from proxy.metrics import Metrics
from proxy.outcome import Outcome, R

_log = logging.getLogger(__name__)
SHARE = 0.05
AT_ONCE = 16
"""Answers being measured; beyond that none are taken."""


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

    def consider(self, outcome: Outcome[R], policy: Policy, question: str) -> None:
        """Measure the answer in the background, if it was accepted and is drawn."""
        if outcome.name == "in_range" and len(self._open) < AT_ONCE and self._draw() < SHARE:
            task = asyncio.create_task(self._measure(outcome, policy, question))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def stop(self) -> None:
        """Wait for what is being measured."""
        await asyncio.gather(*self._open)

    async def _measure(self, outcome: Outcome[R], policy: Policy, question: str) -> None:
        returned = outcome.returned
        number = next(n for n, attempt in enumerate(outcome.attempts, start=1) if attempt is returned)
        try:
            texts = [Text(returned.completion.texts[0], question)]
            second = (await self._scoring.score(texts, list(policy.hard)))[0]
        except Exception as error:  # nobody waits for it
            _log.error("the second gauge fails: %s", type(error).__name__)
            return
        for name in policy.hard:
            ours, theirs = returned.choices[0].get(name), second.get(name)
            if isinstance(ours, Score) and isinstance(theirs, Score):
                self._metrics.record_audit_gap(number, ours.intensity - theirs.intensity)
