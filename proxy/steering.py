"""The story of the product: instruct → complete → evaluate → verdict, until an answer is what the policy wants.

Knows policies, doses and verdicts. Knows nothing of HTTP, of upstreams' JSON, of litellm, FAISS or the encoder: all
that is behind `Steps`. Each attempt starts from the client's original request; at most one earlier draft is quoted.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from typing import Generic, Protocol

from policies.dose import HOPELESS
from policies.instruct import Instruction
from policies.plan import Past, Plan, believe, learn, plan
from policies.plant import Plant
from policies.policy import Policy
from policies.verdict import Scores, judge
from proxy.errors import ApiError
from proxy.outcome import Attempt, Completion, Name, Outcome, R


class Steps(Protocol[R]):
    """What the loop asks of the world. All may raise; nothing is caught here but a late failure."""

    @property
    def deterministic(self) -> bool:
        """Whether the upstream answers the same request with the same text: temperature 0, or a seed."""
        ...

    async def complete(self, instruction: Instruction, seconds: float) -> Completion[R]:
        """One upstream answer to the original request with the instruction added, within so many seconds."""
        ...

    async def evaluate(self, texts: Sequence[str]) -> Sequence[Scores]:
        """Scores of each text on the policy's values, and on any others."""
        ...

    async def applies(self) -> bool:
        """Whether the client's own prompt speaks to a hard target's value."""
        ...


@dataclass(slots=True)
class _Run(Generic[R]):
    policy: Policy
    steps: Steps[R]
    plant: Plant
    clock: Callable[[], float]
    started: float
    attempts: list[Attempt[R]] = field(default_factory=list)
    reach: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cramped: bool = False
    """The upstream's context has no room for our words."""

    @property
    def past(self) -> list[Past]:
        return [a.past for a in self.attempts]

    async def attempt(self, *instructions: Instruction, score: bool = True) -> list[Attempt[R]]:
        """One answer to each, side by side. Raises the first failure when all fail."""
        past = self.past
        done = await asyncio.gather(*(self._fitting(i, past, score) for i in instructions), return_exceptions=True)
        made = [a for a in done if isinstance(a, Attempt)]
        if not made:
            raise next(e for e in done if isinstance(e, BaseException))
        self.attempts += made
        return made

    async def _fitting(self, instruction: Instruction, past: Sequence[Past], score: bool) -> Attempt[R]:
        """The attempt; where our words overflow the context with less of them, and with none if nothing stands yet."""
        smaller = [replace(instruction, feedback="")] if instruction.feedback else []
        smaller += [Instruction({})] if instruction.system and not past else []
        while True:
            try:
                return await self._one(instruction, past, score)
            except ApiError as error:
                if not error.overflow or not smaller:
                    raise
                self.cramped, instruction = True, smaller.pop(0)

    async def _one(self, instruction: Instruction, past: Sequence[Past], score: bool) -> Attempt[R]:
        begun = self.clock()
        # the budget is for attempts; a single answer is bounded by the upstream's own timeout
        left = self.policy.budget.seconds - (begun - self.started) if self.policy.mode == "enforce" else inf
        completion = await self.steps.complete(instruction, left)
        choices: Sequence[Scores] = []
        if score and not completion.unscorable:
            choices = await self.steps.evaluate(completion.texts)
        beliefs = [believe(self.policy, past, instruction, scores, self.plant) for scores in choices]
        verdict = judge(self.policy, choices, beliefs) if choices else None
        return Attempt(instruction, completion, choices, verdict, self.clock() - begun)

    def room(self) -> int:
        """How many more answers as dear as the dearest so far the budget allows."""
        budget, spent = self.policy.budget, self.clock() - self.started
        if spent + max(a.seconds for a in self.attempts) > budget.seconds:
            return 0
        tokens = [a.completion.tokens for a in self.attempts]
        return (budget.tokens - sum(tokens)) // max(1, *tokens)

    def plans(self, count: int) -> list[Plan]:
        """What to ask next, so many answers side by side; a deterministic upstream is asked nothing twice."""
        asked = [a.instruction for a in self.attempts]
        found: list[Plan] = []
        for _ in range(count):
            again = [*asked, *(p.instruction for p in found)] if self.steps.deterministic else []
            found.append(plan(self.policy, self.past, self.plant, again))
        self.reach = found[0].reach
        # a plan without chance is one that found nothing new to ask
        return [p for p in found if p.chance > 0] or found[:1]

    def scored(self) -> list[Attempt[R]]:
        return [a for a in self.attempts if a.verdict and not a.verdict.unscored and not a.completion.refused]

    def best(self) -> Attempt[R]:
        return min(self.scored() or self.attempts, key=lambda a: a.verdict.loss if a.verdict else 0.0)

    def end(self, name: Name, returned: Attempt[R] | None = None) -> Outcome[R]:
        """Learn from what was measured, also of the values that were not asked for."""
        returned = returned or self.attempts[-1]
        learn(self.policy, self.past, self.plant)
        others = {n for choice in returned.choices for n in choice if n not in self.policy.targets}
        usual = {n: m for n in sorted(others) if (m := self.plant.expected(n)) is not None}
        return Outcome(name, returned, tuple(self.attempts), self.reach, usual)


async def steer(
    policy: Policy, steps: Steps[R], plant: Plant | None = None, clock: Callable[[], float] = time.monotonic
) -> Outcome[R]:
    """Run one request through the policy's mode. Raises what the steps raise, when no attempt came to an end.

    `plant` is what is known of the model; without one only the published curves are.
    """
    run = _Run(policy, steps, plant or Plant(), clock, clock())
    if policy.mode == "off":
        return Outcome("off", (await run.attempt(Instruction({}), score=False))[0], tuple(run.attempts))
    if policy.mode == "monitor":
        await run.attempt(Instruction({}))
        return run.end("monitored")
    if policy.mode == "steer":
        await run.attempt(run.plans(1)[0].instruction)
        return run.end("steered")
    return await _enforce(run)


async def _enforce(run: _Run[R]) -> Outcome[R]:
    policy = run.policy
    plain = policy.apply == "relevant" and not await run.steps.applies()
    count = min(policy.candidates, policy.attempts)
    while True:
        planned = run.plans(count)
        if run.attempts and planned[0].chance < HOPELESS:
            return await _missed(run, "unreachable")
        asked = [Instruction({})] if plain and not run.attempts else [p.instruction for p in planned]
        try:
            made = await run.attempt(*asked)
        except Exception:
            if not run.attempts:
                raise
            return await _missed(run)  # what was answered before is worth more than a late failure
        answered = [a for a in made if not a.completion.refused]
        measured = [a.verdict for a in answered if a.verdict and not a.verdict.unscored]
        if plain and len(run.attempts) == 1 and measured and not measured[0].relevant:
            return run.end("not_applicable")
        if accepted := [a for a in answered if a.verdict and a.verdict.accepted]:
            return run.end("in_range", min(accepted, key=lambda a: a.verdict.loss if a.verdict else inf))
        ended: Name | None = None
        if answered and not measured:
            ended = "unscored"
        elif not answered and not any(a.instruction.system for a in made):  # no weaker dose is left
            ended = "refused"
        if ended is not None:
            return await _missed(run) if run.scored() else run.end(ended)
        count = min(policy.candidates, policy.attempts - len(run.attempts), run.room())
        if run.cramped or count < 1 or any(a.completion.final for a in made):
            return await _missed(run)


async def _missed(run: _Run[R], name: Name = "missed") -> Outcome[R]:
    if all(a.completion.refused for a in run.attempts):
        name = "refused"
    steered = any(a.instruction.system for a in run.attempts)
    if run.policy.on_miss == "unsteered" and steered:
        plain = next((a for a in run.attempts if not a.instruction.system), None)
        if plain is None and not run.attempts[-1].completion.final and run.room() > 0:
            with suppress(Exception):  # as above
                plain = (await run.attempt(Instruction({})))[0]
        if plain is not None:
            return run.end(name, plain)
    return run.end(name, run.best())
