"""The next attempt's instruction, from the policy, the model's curves and what the request's earlier attempts measured.

Knows doses, words, curves and scores; nothing of upstreams or budgets. The same input gives the same bytes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anchors.score import Score
from policies.curve import Floats
from policies.dose import Likely, chance, gentlest, likely
from policies.exemplars import chosen_exemplars
from policies.instruct import RUNGS, Doses, Instruction, feedback_turn, steering_block
from policies.plant import NEUTRAL, TACTICS, Plant
from policies.policy import Policy
from policies.verdict import RELEVANT, Belief, Beliefs, Scores, judge

STRENGTH = np.abs(np.array(RUNGS))
PROMPT_PRICE = 0.25
"""What a token of a longer prompt costs beside an average token of an attempt: providers ask four times as much for
written tokens, and most of the prompt is cached."""
TOKEN = 4
"""Characters in a token, about."""
ANSWER = 300
"""Tokens of an attempt, about, as long as none is known."""


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier attempt: what was asked, the texts of its choices, their scores (none when not scored), its tokens."""

    instruction: Instruction
    texts: Sequence[str]
    choices: Sequence[Scores]
    refused: bool = False
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask next, the P(all hard targets in range) of the best that could be asked, and what is in reach.

    `reach` has, for every hard value, the intensities expected of the least and of the greatest dose for this request.
    """

    instruction: Instruction
    chance: float
    reach: Mapping[str, tuple[float, float]]


def plan(
    policy: Policy, past: Sequence[Past], plant: Plant, asked: Collection[Instruction] = (), exemplars: bool = True
) -> Plan:
    """Doses and tactic with the most expected success per token; after a refusal weaker doses than the refused ones.

    What is in `asked` is not planned again: give the instructions that a deterministic model has had. `exemplars` says
    whether there is room for some.
    """
    names = [*policy.hard, *(n for n in policy.targets if n not in policy.hard)]
    now = {name: _likely(policy, name, past, plant) for name in names}
    allowed = {name: _ceiling(name, past) >= STRENGTH for name in names}
    last = past[-1] if past else None
    feedback = _feedback(policy, last) if last is not None else ""
    found: list[tuple[float, float, Instruction]] = []
    habit = {} if past else plant.store.habit(plant.key(policy.version, "habit"))
    for number, tactic in enumerate(TACTICS):
        if (tactic == "rewrite" and not feedback) or (tactic == "exemplars" and not exemplars):
            continue
        means = {n: now[n].mean[number * len(RUNGS) :][: len(RUNGS)] for n in names}
        sds = {n: now[n].sd[number * len(RUNGS) :][: len(RUNGS)] for n in names}
        tail = feedback if tactic == "rewrite" else ""
        taken = [a.doses for a in asked if (a.tactic, a.feedback) == (tactic, tail)]
        best = _best(policy, plant, _Outlook(names, means, sds, allowed), taken, habit)
        if best is None:
            continue
        doses, worth = best
        examples = chosen_exemplars(doses) if tactic == "exemplars" else []
        if tactic == "exemplars" and not examples:
            continue
        tokens = max(last.tokens, 1) if last is not None else ANSWER
        cost = 1 + PROMPT_PRICE * len(tail + "".join(examples)) / TOKEN / tokens
        asked_for = Instruction(doses, steering_block(doses, examples), tail, bool(examples))
        found.append((worth / cost, worth, asked_for))
    reach = {n: (float(now[n].mean[0]), float(now[n].mean[len(RUNGS) - 1])) for n in policy.hard}
    if not found:  # every dose has been asked for
        return Plan(Instruction({}), 0.0, reach)
    instruction = max(found, key=lambda f: f[0])[2]
    if not past:
        plant.store.habit(plant.key(policy.version, "habit"), instruction.doses)
    return Plan(instruction, max(worth for _, worth, _ in found), reach)


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What one tactic promises: mean, sd and permission by rung (9,) for every target, hard ones first."""

    names: Sequence[str]
    means: Mapping[str, Floats]
    sds: Mapping[str, Floats]
    allowed: Mapping[str, Floats]


def _best(
    policy: Policy, plant: Plant, outlook: _Outlook, taken: Sequence[Doses], habit: Doses
) -> tuple[Doses, float] | None:
    """The hard targets' doses chosen together over their whole grid, then the soft ones' one by one beside them."""
    hard = [n for n in outlook.names if n in policy.hard]
    grid = [(slice(None), *(None,) * (len(hard) - 1 - axis)) for axis in range(len(hard))]
    worth, strength = np.ones((1,) * len(hard)), np.zeros((1,) * len(hard))
    allowed = np.ones((1,) * len(hard), dtype=bool)
    for axis, name in enumerate(hard):
        mean = outlook.means[name][grid[axis]]
        for other_axis, other in enumerate(hard):
            if other != name:
                mean = mean + plant.beside(name, other)[grid[other_axis]]
        worth = worth * chance(mean, outlook.sds[name][grid[axis]], *policy.targets[name].range)
        strength = strength + STRENGTH[grid[axis]]
        allowed = allowed & outlook.allowed[name][grid[axis]]
    worth = np.where(allowed, worth, -1.0)
    before = -1
    if hard and all(n in habit for n in hard):
        before = int(np.ravel_multi_index([RUNGS.index(habit[n]) for n in hard], worth.shape))
    for _ in range(len(taken) + 1):
        at = int(gentlest(worth.ravel(), strength.ravel(), before))
        place = tuple(int(i) for i in np.unravel_index(at, worth.shape))
        best = float(worth[place])
        rungs = dict(zip(hard, place, strict=True))
        for name in outlook.names[len(hard) :]:
            rungs[name] = _beside(policy, plant, outlook, rungs, name)
        doses = {n: RUNGS[rungs[n]] for n in policy.targets}
        if best >= 0 and all(any(other.get(n, 0.0) != dose for n, dose in doses.items()) for other in taken):
            return doses, best
        worth[place] = -1.0
    return None


def _beside(policy: Policy, plant: Plant, outlook: _Outlook, rungs: Mapping[str, int], name: str) -> int:
    """A soft target's rung: its own P(in range) times that of the values whose doses are chosen already."""
    mean = outlook.means[name] + sum(plant.beside(name, other)[rung] for other, rung in rungs.items())
    worth = chance(mean, outlook.sds[name], *policy.targets[name].range)
    for other, rung in rungs.items():
        if other in policy.hard:
            moved = outlook.means[other][rung] + plant.beside(other, name)
            worth = worth * chance(moved, outlook.sds[other][rung], *policy.targets[other].range)
    return int(gentlest(np.where(outlook.allowed[name], worth, -1.0), STRENGTH))


def _ceiling(name: str, past: Sequence[Past]) -> float:
    """The strongest dose that refusals leave: about half of the weakest refused one."""
    half = {1.0: 0.3, 0.6: 0.3, 0.3: 0.1, 0.1: 0.0, 0.0: 0.0}
    return min((half[abs(p.instruction.doses.get(name, 0.0))] for p in past if p.refused), default=1.0)


def _feedback(policy: Policy, last: Past) -> str:
    """On the last draft, if it was steered and measured."""
    if last.refused or not last.choices or not last.instruction.system:
        return ""
    worst = _worst(policy, last.choices)
    scores = {n: s for n, s in last.choices[worst].items() if n in policy.hard and isinstance(s, Score)}
    return feedback_turn(last.texts[worst], scores, policy.targets)


def believe(policy: Policy, past: Sequence[Past], instruction: Instruction, scores: Scores, plant: Plant) -> Beliefs:
    """An answer's stances when its scores, the curves and the request's earlier attempts are weighed together."""
    now = Past(instruction, [""], [scores])
    result = {}
    for name, score in scores.items():
        if name in policy.targets and isinstance(score, Score):
            found = _likely(policy, name, [*past, now], plant)
            result[name] = Belief(float(found.last_mean), float(found.last_sd))
    return result


def learn(policy: Policy, past: Sequence[Past], plant: Plant) -> None:
    """Teach the plant from every measured attempt, accepted or not.

    What earlier attempts told of this prompt's offset is taken out first: retries are made on prompts that are off.
    """
    for number, attempt in enumerate(past):
        if attempt.refused or not attempt.choices:
            continue
        doses = attempt.instruction.doses
        for name, score in attempt.choices[0].items():
            if not isinstance(score, Score) or score.relevance < RELEVANT:
                continue
            stance, error = score.stance
            if name not in policy.targets:
                if not attempt.instruction.system:  # what the model does by itself, to know leakage by
                    plant.learn(name, "fresh", NEUTRAL, stance, error)
                continue
            offset = float(_likely(policy, name, past[:number], plant).offset)
            shift = _shift(policy, name, doses, plant)
            rung = RUNGS.index(doses.get(name, 0.0))
            tactic = attempt.instruction.tactic
            plant.learn(name, tactic, rung, stance - offset - shift, error)
            mean = plant.curve(name, policy.targets[name].aim).mean[TACTICS.index(tactic) * len(RUNGS) + rung]
            for other in policy.targets:
                beside = RUNGS.index(doses.get(other, 0.0))
                if other != name and beside != NEUTRAL:
                    rest = stance - offset - float(mean) - shift + plant.beside(name, other)[beside]
                    plant.learn(name, f"beside {other}", beside, float(rest), error)


def _shift(policy: Policy, name: str, doses: Doses, plant: Plant) -> float:
    """What the doses of the policy's other values do to this one."""
    others = {n: RUNGS.index(d) for n, d in doses.items() if n != name and d and n in policy.targets}
    return float(sum(plant.beside(name, other)[rung] for other, rung in others.items()))


def _likely(policy: Policy, name: str, past: Sequence[Past], plant: Plant) -> Likely:
    """One measurement an attempt, of the choice that decided; what a refusal measures says nothing about a dose."""
    action, measured, sd = [], [], []
    for p in past:
        score = p.choices[_worst(policy, p.choices)].get(name) if p.choices and not p.refused else None
        if isinstance(score, Score):
            doses = p.instruction.doses
            action.append(TACTICS.index(p.instruction.tactic) * len(RUNGS) + RUNGS.index(doses.get(name, 0.0)))
            stance, error = score.stance  # what is doubtful to speak to the value has a wide one, and says little
            measured.append(stance - _shift(policy, name, doses, plant))
            sd.append(error)
    curve = plant.curve(name, policy.targets[name].aim)
    found = likely(curve, np.array(action, dtype=np.int64), np.array(measured), np.array(sd))
    # the last answer stood beside the other values' doses, so it keeps their shift
    if action:
        found = found._replace(last_mean=found.last_mean + _shift(policy, name, past[-1].instruction.doses, plant))
    return found


def _worst(policy: Policy, choices: Sequence[Scores]) -> int:
    return max(range(len(choices)), key=lambda i: judge(policy, [choices[i]]).loss)
