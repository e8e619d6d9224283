"""The story of the product: instruct → complete → evaluate → verdict, until an answer is what the policy wants.

Knows policies, doses and verdicts. Knows nothing of HTTP, of upstreams' JSON, of litellm, FAISS or the encoder: all
that is behind `Steps`. Each attempt starts from the client's original request; at most one earlier draft is quoted.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol

from policies.instruct import Instruction
from policies.plan import plan
from policies.policy import Policy
from policies.verdict import Scores, judge
from proxy.budget import Budget
from proxy.outcome import Attempt, Completion, Kept, Name, Outcome, R


class Steps(Protocol[R]):
    """What the loop asks of the world, within the seconds of the request's budget. Whatever it raises is not caught."""

    async def complete(self, instruction: Instruction, kept: Kept[R] | None) -> Completion[R]:
        """One upstream answer to the original request with the instruction added.

        With `kept` only the choices at its places are asked for, and come back joined with its others.
        """
        ...

    async def evaluate(self, texts: Sequence[str]) -> Sequence[Scores]:
        """Scores of each text on the policy's values; what takes too long is Unscored."""
        ...

    async def applies(self) -> bool:
        """Whether the client's own prompt speaks to a hard target's value."""
        ...


@dataclass(slots=True)
class _Run(Generic[R]):
    policy: Policy
    steps: Steps[R]
    budget: Budget
    attempts: list[Attempt[R]] = field(default_factory=list)

    async def attempt(self, instruction: Instruction, score: bool = True, keep: bool = True) -> Attempt[R]:
        begun = self.budget.clock()
        kept = self.kept() if keep else None
        completion = await self.steps.complete(instruction, kept)
        self.budget.answered(completion.tokens)
        choices: Sequence[Scores] = []
        if score and not completion.unscorable:
            if kept is None:
                choices = await self.steps.evaluate(completion.texts)
            else:
                choices = kept.joined(await self.steps.evaluate([completion.texts[place] for place in kept.places]))
        verdict = judge(self.policy, choices) if choices else None
        self.attempts.append(Attempt(instruction, completion, choices, verdict, self.budget.clock() - begun))
        return self.attempts[-1]

    def kept(self) -> Kept[R] | None:
        """The last answer, when some of its choices are accepted and others are not."""
        last = self.attempts[-1] if self.attempts else None
        if last is None:
            return None
        missing = [i for i, scores in enumerate(last.choices) if not judge(self.policy, [scores]).accepted]
        some = 0 < len(missing) < len(last.choices)
        return Kept(last.completion, last.choices, missing) if some else None

    def another(self) -> bool:
        """Whether the budget allows an attempt as dear as the dearest so far."""
        return self.budget.affords(
            max(a.seconds for a in self.attempts), max(a.completion.tokens for a in self.attempts)
        )

    def tried(self, instruction: Instruction) -> bool:
        """Whether an attempt asked for just this: the same request would be billed again."""
        words = (instruction.system, instruction.feedback)
        return any((a.instruction.system, a.instruction.feedback) == words for a in self.attempts)

    def scored(self) -> list[Attempt[R]]:
        return [a for a in self.attempts if a.verdict and not a.verdict.unscored and not a.completion.refused]

    def best(self) -> Attempt[R]:
        return min(self.scored() or self.attempts, key=lambda a: a.verdict.loss if a.verdict else 0.0)

    def end(self, name: Name, returned: Attempt[R] | None = None) -> Outcome[R]:
        return Outcome(name, returned or self.attempts[-1], tuple(self.attempts))


async def steer(policy: Policy, steps: Steps[R], budget: Budget) -> Outcome[R]:
    """Run one request through the policy's mode. Raises what the steps raise, when no attempt came to an end."""
    run = _Run(policy, steps, budget)
    if policy.mode == "off":
        await run.attempt(Instruction({}), score=False)
        return run.end("off")
    if policy.mode == "monitor":
        await run.attempt(Instruction({}))
        return run.end("monitored")
    if policy.mode == "steer":
        await run.attempt(plan(policy, []))
        return run.end("steered")
    return await _enforce(run)


async def _enforce(run: _Run[R]) -> Outcome[R]:
    policy = run.policy
    plain = policy.apply == "relevant" and not await run.steps.applies()
    while True:
        instruction = Instruction({}) if plain and not run.attempts else plan(policy, [a.past for a in run.attempts])
        if run.tried(instruction):
            return await _missed(run)
        try:
            attempt = await run.attempt(instruction)
        except Exception:
            if not run.attempts:
                raise
            return await _missed(run)  # what was answered before is worth more than a late failure
        verdict, refused = attempt.verdict, attempt.completion.refused
        ended: Name | None = None
        if not refused and (verdict is None or verdict.unscored):
            ended = "unscored"
        elif refused and not instruction.system:  # no weaker dose is left
            ended = "refused"
        if ended is not None:
            return await _missed(run) if run.scored() else run.end(ended)
        if verdict is not None and not refused:
            if plain and len(run.attempts) == 1 and not verdict.relevant:
                return run.end("not_applicable")
            if verdict.accepted:
                return run.end("in_range")
        if attempt.completion.final or run.budget.attempts <= 0 or not run.another():
            return await _missed(run)


async def _missed(run: _Run[R]) -> Outcome[R]:
    name: Name = "refused" if all(a.completion.refused for a in run.attempts) else "missed"
    steered = any(a.instruction.system for a in run.attempts)
    if run.policy.on_miss == "unsteered" and steered:
        plain = next((a for a in run.attempts if not a.instruction.system), None)
        if plain is None and not run.attempts[-1].completion.final and run.another():
            with suppress(Exception):  # as above
                plain = await run.attempt(Instruction({}), keep=False)
        if plain is not None:
            return run.end(name, plain)
    return run.end(name, run.best())
