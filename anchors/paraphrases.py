"""Does a gauge read what was said, or how? Texts in other words that take the same stance, and how far scores move.

`paraphrases.jsonl`: {text: id of a calibration or test text, paraphrase}. Knows the file and scores; nothing of how
scores are made. Nobody has ranked the paraphrases: that the stance is kept is their writer's claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anchors.evaluation import Figure, figure, group_weights, weighted_mean
from anchors.evaluator import Evaluate, Text
from anchors.score import Score
from anchors.values import DATA
from anchors.vidb.texts import BrokenSet, VidbText, read_jsonl

PARAPHRASES = DATA / "paraphrases.jsonl"


@dataclass(frozen=True, slots=True)
class Shift:
    """How far scores move between a text and its paraphrase, over the values that the text is ranked for.

    `mean` is the mean |difference| in points and `in_sds` the same in stated sds; `same_side` the share of rows whose
    scores have one sign; `of_strangers` the mean |difference| between the text and another pair's paraphrase, on the
    same value, which a gauge that reads anything must stay below.
    """

    pairs: int
    rows: int
    mean: Figure
    in_sds: Figure
    same_side: Figure
    of_strangers: Figure


def read_paraphrases(path: Path, texts: Sequence[VidbText]) -> list[tuple[VidbText, str]]:
    """The pairs whose text is among `texts`. Raises BrokenSet naming file, line and field."""
    by_id = {t.id: t for t in texts}
    found, seen = list[tuple[VidbText, str]](), set[str]()
    for number, row in read_jsonl(path):
        text, paraphrase = row.get("text"), row.get("paraphrase")
        if not isinstance(text, str) or text in seen:
            raise BrokenSet(f"{path}:{number}: text: missing or named twice: {text!r}")
        if not isinstance(paraphrase, str) or not paraphrase.strip():
            raise BrokenSet(f"{path}:{number}: paraphrase: missing or empty")
        seen.add(text)
        if text in by_id:
            found.append((by_id[text], paraphrase))
    return found


def shift(evaluator: Evaluate, pairs: Sequence[tuple[VidbText, str]]) -> Shift:
    """Scores of both texts of each pair, on the values that the text is ranked for; intervals over pairs.

    Raises ValueError without pairs.
    """
    if not pairs:
        raise ValueError("no paraphrases of these texts")
    values = list(dict.fromkeys(v for text, _ in pairs for v in text.values))
    texts = evaluator.evaluate([Text(text.text, text.question) for text, _ in pairs], values)
    paraphrases = evaluator.evaluate([Text(other, text.question) for text, other in pairs], values)
    read = []
    for n, (text, _) in enumerate(pairs):
        for value in text.values:
            a, b, stranger = texts[n][value], paraphrases[n][value], paraphrases[n - 1][value]
            if isinstance(a, Score) and isinstance(b, Score) and isinstance(stranger, Score):
                read.append((n, a.intensity, b.intensity, stranger.intensity, (a.sd + b.sd) / 2))
    pair, here, there, elsewhere, sd = np.array(read).T
    weights = group_weights(pair)

    def mean(x: NDArray[np.float64]) -> Figure:
        return figure(weights, lambda w: weighted_mean(x, w))

    moved = np.abs(here - there)
    return Shift(
        pairs=len(pairs),
        rows=len(read),
        mean=mean(moved),
        in_sds=mean(moved / sd),
        same_side=mean((here * there > 0).astype(np.float64)),
        of_strangers=mean(np.abs(here - elsewhere)),
    )
