"""What the bench simulates in lockstep is what the product does, request by request."""

import asyncio

import numpy as np

from anchors.score import Score
from bench.loop import ATTEMPTS, Loop, Scripted, Worlds
from policies.curve import GENERIC, Curve
from policies.instruct import RUNGS, Instruction
from policies.plan import learn
from policies.plant import Memory, Plant
from policies.policy import Policy, Target
from proxy.budget import Budget
from proxy.outcome import Completion
from proxy.steering import steer

VALUE, SD = "svt/benevolence", 1.45
TRUE = np.array([-1.0, 0.0, 0.5, 1.5, 2.0, 3.0, 4.0, 4.5, 5.0])


class Drawn(Scripted):
    """A fake model whose draws are given; an attempt takes one token, so that quoting a draft never pays."""

    async def complete(self, instruction: Instruction, kept: object) -> Completion[int]:
        mean = TRUE[RUNGS.index(instruction.doses[VALUE])]
        self.true.append({VALUE: mean + self.rng[len(self.true)]})
        return Completion(len(self.true) - 1, [str(len(self.true) - 1)], 1)

    async def evaluate(self, texts: list[str], reply: int) -> list[dict[str, Score]]:
        measured = self.true[int(texts[0])][VALUE]
        return [{VALUE: Score(measured, SD, measured - 2, measured + 2, 1.0, measured)}]


def in_lockstep(draws: np.ndarray, low: float, high: float) -> list[list[float]]:
    prior = Curve(GENERIC.mean[None], GENERIC.cov[None], np.array([GENERIC.spread]))
    loop, on = Loop(), np.array([0])
    loop.start(Worlds(TRUE[None], np.array([low]), np.array([high]), prior, np.zeros(1)), None)
    found = []
    for draw in draws:
        loop.begin(np.zeros(1))
        action, measured, doses = np.zeros((1, 0), int), np.zeros((1, 0)), []
        for attempt in range(ATTEMPTS):
            chosen, worth = loop.first(on, (action, measured, np.full(measured.shape, SD)))
            if not worth[0]:
                break
            doses.append(RUNGS[int(chosen[0])])
            action = np.hstack([action, chosen[:, None]])
            measured = np.hstack([measured, [[TRUE[chosen[0]] + draw[attempt]]]])
            if loop.judge(on, (action, measured, np.full(measured.shape, SD)))[1][0]:
                break
        loop.end(measured, SD)
        found.append(doses)
    return found


def by_the_product(draws: np.ndarray, low: float, high: float) -> list[list[float]]:
    store = Memory()
    target = Target(min=low, max=high, hard=True)
    policy = Policy(tenant="t", targets={VALUE: target}, attempts=ATTEMPTS, apply="always")
    found = []
    for draw in draws:
        world = Drawn({VALUE: TRUE}, {}, SD, draw)  # type: ignore[arg-type]
        plant = Plant(store)
        outcome = asyncio.run(steer(policy, world, Budget.of(policy), plant))
        learn(policy, [a.past for a in outcome.attempts], plant)
        found.append([a.instruction.doses[VALUE] for a in outcome.attempts])
    return found


def test_the_bench_and_the_product_choose_the_same_doses() -> None:
    draws = np.random.default_rng(5).normal(0, 2.1, (25, ATTEMPTS))
    for low, high in ((2.5, 5.5), (0.0, 4.0), (4.0, 9.0)):
        expected = in_lockstep(draws, low, high)
        assert by_the_product(draws, low, high) == expected
        assert max(len(doses) for doses in expected) > 1
