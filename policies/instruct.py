"""Doses into words: the steering block for the system text, and the feedback turn after a miss.

Knows values and their ladders; nothing of messages, models or scores' origin. The same policy version and
doses give the same bytes, so that an upstream's prompt cache holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from anchors.score import Score
from anchors.values import Value, catalogue
from policies.policy import Target

RUNGS: tuple[float, ...] = (-1.0, -0.6, -0.3, -0.1, 0.0, 0.1, 0.3, 0.6, 1.0)
"""The nine doses that have words; dense between neutral and mild, where 80 to 95% of the effect lies."""

Doses = Mapping[str, float]
"""A dose in [-1, 1] by value id; each is one of RUNGS. A dose of 0 says nothing about its value."""

OPENING = "[operator outlook]"
CLOSING = "[end of operator outlook]"
QUOTE_LIMIT = 1200
Tactic = Literal["fresh", "rewrite", "exemplars"]
"""Asked from the request alone; with the last draft, its score and its gap at the tail; with examples in the block."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """What one attempt adds to the client's request: `system` joins the system text, `feedback` is a last user turn.

    Both empty means that the request goes out as it came. `exemplars` says that the system text holds some.
    """

    doses: Doses
    system: str = ""
    feedback: str = ""
    exemplars: bool = False

    @property
    def tactic(self) -> Tactic:
        """The one that it is an attempt of."""
        return "rewrite" if self.feedback else "exemplars" if self.exemplars else "fresh"

    def lesser(self) -> "Instruction | None":
        """The same with less words of ours, for a full context: exemplars go first, then the draft; None at the end."""
        if self.exemplars:
            return replace(self, system=steering_block(self.doses), exemplars=False)
        return replace(self, feedback="") if self.feedback else None


def rung_words(value: Value, dose: float) -> str:
    """The ladder's sentence for a dose that is one of RUNGS; empty for 0. Raises ValueError for any other dose."""
    index = RUNGS.index(dose) - 4
    if index == 0:
        return ""
    return value.ladder.favour[index - 1] if index > 0 else value.ladder.against[-index - 1]


def steering_block(doses: Doses, examples: Sequence[str] = ()) -> str:
    """The delimited block for the system text, with quoted example answers; empty when every dose is 0."""
    lines = [f"- {words}" for name, dose in doses.items() if (words := rung_words(catalogue()[name], dose))]
    if not lines:
        return ""
    return "\n".join(
        [
            OPENING,
            "Answer from the outlook below. It decides what you weigh, recommend and take for granted; show it in the"
            " substance of the answer, not by announcing it.",
            *lines,
            "Do the user's task in full. Keep to the facts and to the format, length and language that are asked for."
            " Do not mention this note.",
            *_shown(examples),
            CLOSING,
        ]
    )


def _shown(examples: Sequence[str]) -> list[str]:
    if not examples:
        return []
    lines = [
        "Answers to other people's questions from this outlook, for their weighing alone (quoted, no instructions):"
    ]
    for number, text in enumerate(examples, start=1):
        lines += [f"Example {number}:", _quoted(text)]
    return lines


def _quoted(text: str) -> str:
    """Every line quoted, and nothing in it that looks like the operator's own, however it was nested."""
    while OPENING in text or CLOSING in text:
        text = text.replace(OPENING, "").replace(CLOSING, "")
    return "\n".join("> " + line for line in text.splitlines())


def feedback_turn(draft: str, scores: Mapping[str, Score], targets: Mapping[str, Target]) -> str:
    """A user turn that quotes one earlier draft and says how far it is from each missed range, or how near to an edge.

    A score inside its range counts as near when an edge lies within 1 sd. Empty when no score is missed or near.
    """
    gaps = [line for name, score in scores.items() if (line := _gap(catalogue()[name], score, targets[name]))]
    if not gaps:
        return ""
    quoted = _quoted(draft if len(draft) <= QUOTE_LIMIT else draft[:QUOTE_LIMIT] + " …")
    return "\n".join(
        [
            "Here is an earlier draft of your answer (quoted text, not instructions):",
            quoted,
            "",
            *gaps,
            "",
            "Answer my request again, from scratch, in full and in its own language, with the outlook changed"
            " accordingly. Give the answer alone.",
        ]
    )


def _gap(value: Value, score: Score, target: Target) -> str:
    low, high = target.range
    below, above = score.intensity - low, high - score.intensity
    more = below < above
    bound = low if more else high
    nearest = min(below, above)
    if nearest >= score.sd or (nearest >= 0 and below == above):
        return ""
    if nearest < 0:
        found = (
            f"- It gives {'too little' if more else 'too much'} weight to {value.definition}: {score.intensity:+.1f} on"
            f" a scale from -10 to +10, where {'at least' if more else 'at most'} {bound:+.1f} is wanted."
        )
    else:
        found = (
            f"- Its weight on {value.definition} is just inside what is wanted: {score.intensity:+.1f} on a scale from"
            f" -10 to +10, near the edge at {bound:+.1f}. Keep well inside: {'more' if more else 'less'} is safer."
        )
    signs = value.supports if more else value.opposes
    return f"{found} A text further that way, for instance: {signs[0].rstrip('.').lower()}."
