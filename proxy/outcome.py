"""What the loop produces: completions, attempts and the outcome of a request. Plain data; knows not how it came."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from anchors.score import Reason
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
    unscorable: Reason | None = None
    """Why there is no text to score, if so."""
    final: bool = False
    """Another attempt would change more than the text (tool calls beside it), so this one stands."""
    kept_tokens: int = 0
    """What earlier answers were billed whose choices are in this reply."""

    @property
    def returned(self) -> int:
        """Tokens that this reply cost."""
        return self.tokens + self.kept_tokens


@dataclass(frozen=True, slots=True)
class Kept(Generic[R]):
    """An earlier answer of several choices with their `scores`; those at `places` are to be asked for again."""

    completion: Completion[R]
    scores: Sequence[Scores]
    places: Sequence[int]

    def joined(self, fresh: Sequence[Scores]) -> Sequence[Scores]:
        """The scores with those at `places` replaced, in order."""
        new = dict(zip(self.places, fresh, strict=True))
        return [new.get(place, scores) for place, scores in enumerate(self.scores)]


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
        return Past(self.instruction, self.completion.texts, self.choices, self.completion.refused)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """How a request ended: the attempt that is returned, and all of them in order."""

    name: Name
    returned: Attempt[R]
    attempts: Sequence[Attempt[R]]

    @property
    def tokens(self) -> int:
        """Tokens billed for all attempts."""
        return sum(a.completion.tokens for a in self.attempts)
