"""The next attempt's instruction, from the policy and from what earlier attempts of the same request measured.

Knows doses, words and scores; nothing of upstreams or budgets. The same input gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anchors.score import Score
from policies.dose import Tried, choose
from policies.instruct import Doses, Instruction, feedback_turn, steering_block
from policies.policy import Policy
from policies.verdict import Scores, judge


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier attempt: what was asked, the texts of its choices, and their scores (none when not scored)."""

    instruction: Instruction
    texts: Sequence[str]
    choices: Sequence[Scores]
    refused: bool = False


def plan(policy: Policy, past: Sequence[Past]) -> Instruction:
    """Doses by what was learned; after a steered miss also feedback on the last draft, after a refusal half as much."""
    last = past[-1] if past else None
    if last is not None and last.refused:
        doses = weaker(last.instruction.doses)
        return Instruction(doses, steering_block(doses))
    doses = choose(policy.targets, {name: _tried(policy, name, past) for name in policy.targets}, policy.accept)
    feedback = ""
    if last is not None and last.choices and last.instruction.system:
        worst = _worst(policy, last.choices)
        scores = {n: s for n, s in last.choices[worst].items() if n in policy.hard and isinstance(s, Score)}
        feedback = feedback_turn(last.texts[worst], scores, policy.targets)
    return Instruction(doses, steering_block(doses), feedback)


def weaker(doses: Doses) -> Doses:
    """Doses after a refusal: about half as strong, on the ladder."""
    below = {1.0: 0.3, 0.6: 0.3, 0.3: 0.1, 0.1: 0.0, 0.0: 0.0}
    return {name: (1 if dose >= 0 else -1) * below[abs(dose)] for name, dose in doses.items()}


def _worst(policy: Policy, choices: Sequence[Scores]) -> int:
    return max(range(len(choices)), key=lambda i: judge(policy, [choices[i]]).loss)


def _tried(policy: Policy, name: str, past: Sequence[Past]) -> list[Tried]:
    """One measurement an attempt, of the choice that decided; what a refusal measures says nothing about a dose."""
    decisive = [(p, p.choices[_worst(policy, p.choices)]) for p in past if p.choices and not p.refused]
    scores = [(p, s) for p, choice in decisive if isinstance(s := choice.get(name), Score)]
    return [Tried(p.instruction.doses.get(name, 0.0), s.intensity, s.sd) for p, s in scores]
