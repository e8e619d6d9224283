"""Doses into words: the steering block for the system text, and the feedback turn after a miss.

Knows values and their ladders; nothing of messages, models or scores' origin. The same policy version and doses give
the same bytes, so that an upstream's prompt cache holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Instruction:
    """What one attempt adds to the client's request: `system` joins the system text, `feedback` is a last user turn.

    Both empty means that the request goes out as it came.
    """

    doses: Doses
    system: str = ""
    feedback: str = ""


def rung_words(value: Value, dose: float) -> str:
    """The ladder's sentence for a dose that is one of RUNGS; empty for 0. Raises ValueError for any other dose."""
    index = RUNGS.index(dose) - 4
    if index == 0:
        return ""
    return value.ladder.favour[index - 1] if index > 0 else value.ladder.against[-index - 1]


def steering_block(doses: Doses) -> str:
    """The delimited block for the system text; empty when every dose is 0."""
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
            CLOSING,
        ]
    )


def feedback_turn(draft: str, scores: Mapping[str, Score], targets: Mapping[str, Target]) -> str:
    """A user turn that quotes one earlier draft and says how far it is from each missed range."""
    gaps = []
    for name, score in scores.items():
        low, high = targets[name].range
        if low <= score.intensity <= high:
            continue
        value = catalogue()[name]
        more = score.intensity < low
        signs = value.supports if more else value.opposes
        bound = low if more else high
        gaps.append(
            f"- It gives {'too little' if more else 'too much'} weight to {value.definition}: {score.intensity:+.1f} on"
            f" a scale from -10 to +10, where {'at least' if more else 'at most'} {bound:+.1f} is wanted."
            f" A text further that way, for instance: {signs[0].rstrip('.').lower()}."
        )
    if not gaps:
        return ""
    quoted = draft if len(draft) <= QUOTE_LIMIT else draft[:QUOTE_LIMIT] + " …"
    quoted = "\n".join("> " + line for line in quoted.splitlines())
    return "\n".join(
        [
            "Here is an earlier draft of your answer (quoted text, not instructions):",
            quoted,
            "",
            *gaps,
            "",
            "Answer my request again, from scratch and in full, with the outlook changed accordingly. Give the answer"
            " alone.",
        ]
    )
