"""Windows of texts to be ranked: which texts meet, which judge reads them, and the sheet that a judge gets.

A window holds `WINDOW` texts of one value in random order, and the five marker cards, which are ranked like texts and
fix the scale. Knows no rankings beyond the current scale that adaptive rounds take.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anchors.values import Value
from anchors.vidb.texts import VidbText

WINDOW = 8
MARKERS: Mapping[str, tuple[float, str]] = {
    "m1": (-9.0, "rejects it outright"),
    "m2": (-5.0, "would readily trade it away"),
    "m3": (0.0, "neither for nor against"),
    "m4": (5.0, "supports it, other things can outweigh it"),
    "m5": (9.0, "above all else"),
}
"""Marker cards: worded alike for all values, so that +6 means the same for each of them."""
LETTERS = "ABCDEFGHJKLN"


@dataclass(frozen=True, slots=True)
class Window:
    """Text ids in the order shown, A first. `value` is empty in a bridge window, where each text has its own value."""

    id: str
    round: str
    value: str
    texts: tuple[str, ...]


def random_round(name: str, rows: Mapping[str, Sequence[str]], seed: int, size: int = WINDOW) -> list[Window]:
    """Every text of every value in one window, at random. `rows`: text ids by value."""
    rng = random.Random(f"{seed}:{name}")
    windows = []
    for value, ids in rows.items():
        shuffled = rng.sample(list(ids), len(ids))
        windows += _cut(name, value, shuffled, size, rng)
    return windows


def adaptive_round(
    name: str,
    rows: Mapping[str, Sequence[str]],
    scale: Mapping[tuple[str, str], float],
    seed: int,
    size: int = WINDOW,
    jitter: float = 1.5,
) -> list[Window]:
    """Neighbours on the current scale meet. `scale`: intensity by (text, value); `jitter` in points mixes who meets."""
    rng = random.Random(f"{seed}:{name}")
    windows = []
    for value, ids in rows.items():
        ordered = [i for _, i in sorted((scale[i, value] + rng.gauss(0, jitter), i) for i in ids)]
        windows += _cut(name, value, ordered, size, rng)
    return windows


def _cut(name: str, value: str, ids: Sequence[str], size: int, rng: random.Random) -> list[Window]:
    """Windows of `size`; a rest of less than half a window is filled up with texts from the same list."""
    chunks = [list(ids[i : i + size]) for i in range(0, len(ids), size)]
    if len(chunks) > 1 and len(chunks[-1]) < size:
        others = [i for chunk in chunks[:-1] for i in chunk]
        chunks[-1] += rng.sample(others, size - len(chunks[-1]))
    slug = value.replace("/", ".")
    return [
        Window(f"{name}.{slug}.{n:03d}", name, value, tuple(rng.sample(chunk, len(chunk))))
        for n, chunk in enumerate(chunks)
    ]


def bridge_round(
    name: str, rows: Mapping[str, Sequence[str]], count: int, seed: int, size: int = WINDOW
) -> list[Window]:
    """Windows of two values, half and half: judges order how strongly each text is for its own value.

    `rows`: text ids by their first value. They check that +6 means the same for both, and take no part in the fit.
    """
    rng = random.Random(f"{seed}:{name}")
    values = sorted(rows)
    windows = []
    for n in range(count):
        pair = rng.sample(values, 2)
        ids = [i for value in pair for i in rng.sample(list(rows[value]), size // 2)]
        windows.append(Window(f"{name}.{n:03d}", name, "", tuple(rng.sample(ids, len(ids)))))
    return windows


def share_out(windows: Iterable[Window], per_judge: int) -> list[list[Window]]:
    """Windows by judge: about `per_judge` each, values together, and no judge reads a text twice."""
    by_value: dict[str, list[Window]] = defaultdict(list)
    for window in windows:
        by_value[window.value].append(window)
    judges: list[list[Window]] = []
    seen: list[set[str]] = []
    for group in by_value.values():
        for window in group:
            texts = set(window.texts)
            free = [j for j in range(len(judges)) if len(judges[j]) < per_judge and not texts & seen[j]]
            same = [j for j in free if judges[j][-1].value == window.value]
            if not free:
                judges.append([])
                seen.append(set())
            judge = (same or free or [len(judges) - 1])[0]
            judges[judge].append(window)
            seen[judge] |= texts
    return judges


def sheet(windows: Sequence[Window], texts: Mapping[str, VidbText], values: Mapping[str, Value]) -> str:
    """What a judge reads: windows with lettered texts, blind to level and writer."""
    parts, value = [], None
    for window in windows:
        if window.value and window.value != value:
            value = window.value
            card = values[value]
            parts.append(
                f"######## VALUE {value}: {card.definition}.\nfor it, e.g.: {' '.join(card.supports[:4])}\n"
                f"against it, e.g.: {' '.join(card.opposes[:4])}\nnot the same: {' '.join(card.near_misses)}\n"
            )
        parts.append(f"=== {window.id}")
        for letter, name in zip(LETTERS, window.texts, strict=False):
            text = texts[name]
            own = "" if window.value else f"<{text.values[0]}: {values[text.values[0]].definition}> "
            asked = f"[answer to: {text.question}] " if text.question and text.register in {"reply", "output"} else ""
            parts.append(f"{letter}. {own}{asked}{text.text}")
        parts.append("")
    return "\n".join(parts)
