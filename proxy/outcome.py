"""What the loop produces: completions, attempts and the outcome of a request. Plain data; knows not how it came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from anchors.score import Reason
from policies.instruct import Instruction
from policies.plan import Past
from policies.verdict import Beliefs, Scores, Verdict

Name = Literal[
    "in_range", "missed", "unreachable", "refused", "not_applicable", "unscored", "steered", "monitored", "off"
]
R = TypeVar("R")
T = TypeVar("T")


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
    """An earlier answer of several choices with `scores` and `beliefs` of each; those at `places` are asked for again.

    What is kept is believed as it was when it was answered: its own dose stands behind it, not the later one.
    """

    completion: Completion[R]
    scores: Sequence[Scores]
    beliefs: Sequence[Beliefs]
    places: Sequence[int]

    def joined(self, earlier: Sequence[T], fresh: Sequence[T]) -> Sequence[T]:
        """What there was `earlier` of each choice, with that at `places` replaced, in order."""
        new = dict(zip(self.places, fresh, strict=True))
        return [new.get(place, one) for place, one in enumerate(earlier)]


@dataclass(frozen=True, slots=True)
class Attempt(Generic[R]):
    """What one attempt did: `choices` and `beliefs` are the scores of each choice, `seconds` its duration.

    `places` are the choices that it asked for, None for all; the others were kept from an earlier one.
    """

    instruction: Instruction
    completion: Completion[R]
    choices: Sequence[Scores]
    verdict: Verdict | None
    seconds: float
    beliefs: Sequence[Beliefs] = ()
    places: Sequence[int] | None = None

    @property
    def past(self) -> Past:
        """What the next attempt may learn from this one: of kept choices another one has told."""
        completion, choices = self.completion, self.choices
        places = range(len(completion.texts)) if self.places is None else self.places
        return Past(
            self.instruction,
            [completion.texts[place] for place in places],
            [choices[place] for place in places] if choices else [],
            completion.refused,
            completion.tokens,
        )


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
