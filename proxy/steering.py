"""The story of the product: instruct → complete → evaluate → verdict, until an answer is what the policy wants.

Knows policies, doses and verdicts. Knows nothing of HTTP, of upstreams' JSON, of litellm, FAISS or the encoder: all
that is behind `Steps`. Each attempt starts from the client's original request; at most one earlier draft is quoted.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Generic, Protocol

from policies.dose import HOPELESS
from policies.instruct import Instruction
from policies.plan import Past, Plan, believe, plan
from policies.plant import Plant
from policies.policy import Policy
from policies.verdict import Beliefs, Scores, judge
from proxy.budget import Budget
from proxy.errors import ApiError
from proxy.outcome import Attempt, Completion, Kept, Name, Outcome, R


class Steps(Protocol[R]):
    """What the loop asks of the world, within the seconds of the request's budget.

    All may raise; nothing is caught here but a late failure.
    """

    @property
    def deterministic(self) -> bool:
        """Whether the upstream answers the same request with the same text: temperature 0, or a seed."""
        ...

    async def complete(self, instruction: Instruction, kept: Kept[R] | None) -> Completion[R]:
        """One upstream answer to the original request with the instruction added.

        With `kept` only the choices at its places are asked for, and come back joined with its others.
        """
        ...

    async def evaluate(self, texts: Sequence[str], reply: R) -> Sequence[Scores]:
        """Scores of texts of this reply on the policy's values, and on any others; what takes too long is Unscored."""
        ...

    async def applies(self) -> bool:
        """Whether the client's own prompt speaks to a hard target's value."""
        ...


@dataclass(slots=True)
class _Run(Generic[R]):
    policy: Policy
    steps: Steps[R]
    budget: Budget
    plant: Plant
    attempts: list[Attempt[R]] = field(default_factory=list)
    reach: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cramped: bool = False
    """The upstream's context has no room for our words."""
    exemplars: bool = True
    """It has room for exemplars, as far as is known."""

    @property
    def past(self) -> list[Past]:
        return [a.past for a in self.attempts]

    async def attempt(self, *instructions: Instruction, score: bool = True, keep: bool = True) -> list[Attempt[R]]:
        """One answer to each, side by side. Raises the first failure when all fail."""
        past, kept = self.past, self.kept() if keep else None
        work = (self._fitting(i, past, kept, score) for i in instructions)
        done = await asyncio.gather(*work, return_exceptions=True)
        made = [a for a in done if isinstance(a, Attempt)]
        if not made:
            raise next(e for e in done if isinstance(e, BaseException))
        for _ in range(len(done) - len(made)):
            self.budget.answered(0)  # one that failed beside others was asked for, too
        self.attempts += made
        return made

    async def _fitting(
        self, instruction: Instruction, past: Sequence[Past], kept: Kept[R] | None, score: bool
    ) -> Attempt[R]:
        """The attempt; where our words overflow the context with less of them, and with none if nothing stands yet."""
        while True:
            try:
                return await self._one(instruction, past, kept, score)
            except ApiError as error:
                plain = Instruction({}) if instruction.system and not past else None
                smaller = instruction.lesser() or plain
                if not (error.overflow and smaller is not None and self.budget.repeat()):
                    raise
                self.cramped = self.cramped or not instruction.exemplars
                self.exemplars, instruction = False, smaller

    async def _one(
        self, instruction: Instruction, past: Sequence[Past], kept: Kept[R] | None, score: bool
    ) -> Attempt[R]:
        begun = self.budget.clock()
        completion = await self.steps.complete(instruction, kept)
        self.budget.answered(completion.tokens)
        places = range(len(completion.texts)) if kept is None else kept.places
        choices: Sequence[Scores] = []
        beliefs: Sequence[Beliefs] = []
        if score and not completion.unscorable:
            choices = await self.steps.evaluate([completion.texts[place] for place in places], completion.reply)
            beliefs = [believe(self.policy, past, instruction, scores, self.plant) for scores in choices]
            if kept is not None:
                choices, beliefs = kept.joined(kept.scores, choices), kept.joined(kept.beliefs, beliefs)
        verdict = judge(self.policy, choices, beliefs) if choices else None
        return Attempt(instruction, completion, choices, verdict, self.budget.clock() - begun, beliefs, places)

    def kept(self) -> Kept[R] | None:
        """The answer with the fewest choices that are not accepted, the last of such, when others of its are."""
        found: Kept[R] | None = None
        for a in self.scored():
            each = zip(a.choices, a.beliefs, strict=True)
            missing = [i for i, one in enumerate(each) if not judge(self.policy, one[:1], one[1:]).accepted]
            if 0 < len(missing) < len(a.choices) and (found is None or len(missing) <= len(found.places)):
                found = Kept(a.completion, a.choices, a.beliefs, missing)
        return found

    def room(self, most: int) -> int:
        """How many of so many answers, side by side and as dear as the dearest so far, the budget allows."""
        seconds, tokens = max(a.seconds for a in self.attempts), max(a.completion.tokens for a in self.attempts)
        return max((n for n in range(1, most + 1) if self.budget.affords(seconds, n * tokens)), default=0)

    def plans(self, count: int) -> list[Plan]:
        """What to ask next, so many answers side by side; a deterministic upstream is asked nothing twice."""
        asked = [a.instruction for a in self.attempts]
        found: list[Plan] = []
        for _ in range(count):
            again = [*asked, *(p.instruction for p in found)] if self.steps.deterministic else []
            found.append(plan(self.policy, self.past, self.plant, again, self.exemplars))
        self.reach = found[0].reach
        # a plan without chance is one that found nothing new to ask
        return [p for p in found if p.chance > 0] or found[:1]

    def scored(self) -> list[Attempt[R]]:
        return [a for a in self.attempts if a.verdict and not a.verdict.unscored and not a.completion.refused]

    def best(self) -> Attempt[R]:
        return min(self.scored() or self.attempts, key=lambda a: a.verdict.loss if a.verdict else 0.0)

    def end(self, name: Name, returned: Attempt[R] | None = None) -> Outcome[R]:
        returned = returned or self.attempts[-1]
        return Outcome(name, returned, tuple(self.attempts), self.reach, usual(self.policy, returned, self.plant))


def usual(policy: Policy, returned: Attempt[R], plant: Plant) -> Mapping[str, float]:
    """The intensities of the model's unsteered answers on values that were measured but not asked for, where known."""
    others = {n for choice in returned.choices for n in choice if n not in policy.targets}
    return {n: m for n in sorted(others) if (m := plant.expected(n)) is not None}


async def steer(policy: Policy, steps: Steps[R], budget: Budget, plant: Plant | None = None) -> Outcome[R]:
    """Run one request through the policy's mode. Raises what the steps raise, when no attempt came to an end.

    `plant` is what is known of the model, without one only the published curves are; what the attempts teach of it is
    for the caller to learn, when the answer has been measured whole.
    """
    run = _Run(policy, steps, budget, plant or Plant())
    if policy.mode == "off":
        await run.attempt(Instruction({}), score=False)
        return run.end("off")
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
    count = min(policy.candidates, run.budget.attempts)
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
        count = run.room(min(policy.candidates, run.budget.attempts))
        if run.cramped or count < 1 or any(a.completion.final for a in made):
            return await _missed(run)


async def _missed(run: _Run[R], name: Name = "missed") -> Outcome[R]:
    if all(a.completion.refused for a in run.attempts):
        name = "refused"
    steered = any(a.instruction.system for a in run.attempts)
    if run.policy.on_miss == "unsteered" and steered:
        plain = next((a for a in run.attempts if not a.instruction.system), None)
        if plain is None and not run.attempts[-1].completion.final and run.room(1) > 0:
            with suppress(Exception):  # as above
                plain = (await run.attempt(Instruction({}), keep=False))[0]
        if plain is not None:
            return run.end(name, plain)
    return run.end(name, run.best())
