"""Which sentences of a text push its score up or down: evidence for a reader, on request.

Knows texts and an evaluator's scores; nothing of how they are made. A sentence's push on a value is the intensity it is
given when it stands alone, which finds the sentences that carry a value better than leaving each out in turn does
(decision 11). Pushes point a reader to places; they do not add up to the score.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from anchors.evaluator import Text
from anchors.score import Score, Unscored

Measure = Callable[[Sequence[Text], Sequence[str]], Awaitable[Sequence[Mapping[str, Score | Unscored]]]]
MOST = 64
"""Sentences of a text that are read; the rest of a longer one is not."""
_END = re.compile(r"""(?<=[.!?…])["'”’)\]]*\s+|\n+""")


@dataclass(frozen=True, slots=True)
class Push:
    """A sentence and its own intensity, in points."""

    sentence: str
    push: float


def sentences(text: str) -> list[str]:
    """The text's sentences, or its lines where they have no full stops; at most MOST."""
    found, start = [], 0
    for end in [*(match.end() for match in _END.finditer(text)), len(text)]:
        if any(character.isalnum() for character in text[start:end]):
            found.append(text[start:end].strip())
            start = end
    return found[:MOST]


async def pushes(score: Measure, text: Text, values: Sequence[str]) -> Mapping[str, Sequence[Push]]:
    """The sentences' pushes on each value, in the order of the text; none where it has fewer than two sentences."""
    parts = sentences(text.text)
    if len(parts) < 2:
        return {value: [] for value in values}
    scores = await score([Text(part, text.question) for part in parts], values)
    return {
        value: [
            Push(part, found.intensity)
            for part, of in zip(parts, scores, strict=True)
            if isinstance(found := of[value], Score)
        ]
        for value in values
    }
