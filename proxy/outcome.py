"""What the loop produces: completions, attempts and the outcome of a request. Plain data; knows not how it came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from policies.instruct import Instruction
from policies.plan import Past
from policies.verdict import Scores, Verdict

Name = Literal[
    "in_range", "missed", "unreachable", "refused", "not_applicable", "unscored", "steered", "monitored", "off"
]
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Completion(Generic[R]):
    """One upstream answer: its reply as the wire knows it, the choices' texts, and the tokens it was billed."""

    reply: R
    texts: Sequence[str]
    tokens: int
    refused: bool = False
    unscorable: bool = False
    """No text to score: empty, or tool calls alone."""
    final: bool = False
    """Another attempt would change more than the text (tool calls beside it), so this one stands."""


@dataclass(frozen=True, slots=True)
class Attempt(Generic[R]):
    """What one attempt did: `choices` are the scores of each choice, `seconds` its duration."""

    instruction: Instruction
    completion: Completion[R]
    choices: Sequence[Scores]
    verdict: Verdict | None
    seconds: float

    @property
    def past(self) -> Past:
        """What the next attempt may learn from this one."""
        completion = self.completion
        return Past(self.instruction, completion.texts, self.choices, completion.refused, completion.tokens)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """How a request ended: the attempt that is returned, and all of them in order.

    `reach` has by hard value the intensities that the least and the greatest dose were expected to give at the end;
    `usual` by other values what the model's unsteered answers have there, where that is known.
    """

    name: Name
    returned: Attempt[R]
    attempts: Sequence[Attempt[R]]
    reach: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens billed for all attempts."""
        return sum(a.completion.tokens for a in self.attempts)
