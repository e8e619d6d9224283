"""Judges' rankings: reading what they wrote, refusing what is no permutation, and keeping every one of them.

A judge writes one line a window, most in favour first: `r1.svt.power.003: 5 C A 4 H 3 B D 2 E G 1 F | off: D`.
Digits are the marker cards; `off` lists the texts that do not speak to the value at all.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anchors.vidb.texts import BrokenSet, read_jsonl
from anchors.vidb.windows import LETTERS, MARKERS, Window

_LINE = re.compile(r"^\s*(?P<id>[\w.\-]+)\s*:\s*(?P<order>[^|]*?)\s*(\|\s*off\s*:?\s*(?P<off>.*?)\s*)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Judged:
    """One window as one judge ordered it: text ids and marker cards, most in favour first; `off` are text ids."""

    window: str
    round: str
    value: str
    judge: str
    order: tuple[str, ...]
    off: tuple[str, ...]


def parse_sheet(lines: Iterable[str], windows: Mapping[str, Window], judge: str, source: str) -> list[Judged]:
    """A judge's lines. Raises BrokenSet naming source, line and what is wrong with it."""
    found: dict[str, Judged] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{source}:{number}"
        match = _LINE.match(line)
        if match is None:
            raise BrokenSet(f"{place}: expected 'window: order | off: letters'")
        window = windows.get(match["id"])
        if window is None:
            raise BrokenSet(f"{place}: unknown window '{match['id']}'")
        if window.id in found:
            raise BrokenSet(f"{place}: window '{window.id}' is ranked twice")
        names = dict(zip(LETTERS, window.texts, strict=False)) | {str(n): m for n, m in enumerate(MARKERS, start=1)}
        order, off = _tokens(match["order"]), _tokens(match["off"] or "")
        if sorted(order) != sorted(names):
            missing, extra = sorted(set(names) - set(order)), sorted(set(order) - set(names))
            twice = sorted({t for t in order if order.count(t) > 1})
            detail = "; ".join(
                f"{word} {' '.join(t)}" for word, t in (("missing", missing), ("unknown", extra), ("twice", twice)) if t
            )
            raise BrokenSet(f"{place}: window '{window.id}' is no permutation: {detail}")
        cards = [t for t in order if t.isdigit()]
        if cards != sorted(cards, reverse=True):
            raise BrokenSet(f"{place}: window '{window.id}': the cards must stand in the order 5 4 3 2 1")
        if wrong := [t for t in off if t not in names or t.isdigit()]:
            raise BrokenSet(f"{place}: window '{window.id}': off names no text: {' '.join(wrong)}")
        found[window.id] = Judged(
            window.id, window.round, window.value, judge, tuple(names[t] for t in order), tuple(names[t] for t in off)
        )
    return list(found.values())


def _tokens(text: str) -> list[str]:
    cleaned = text.strip().upper()
    return [] if cleaned in {"", "-", "NONE"} else re.split(r"[\s,>]+", cleaned.strip(" ,>"))


def read_rankings(folder: Path) -> list[Judged]:
    """Every kept ranking. Raises BrokenSet."""
    path = folder / "rankings.jsonl"
    rankings = []
    for number, row in read_jsonl(path):
        try:
            fields: dict[str, Any] = {k: tuple(row[k]) if k in {"order", "off"} else row[k] for k in Judged.__slots__}
        except KeyError as error:
            raise BrokenSet(f"{path}:{number}: {error.args[0]}: missing") from error
        rankings.append(Judged(**fields))
    return rankings


def add_rankings(folder: Path, rankings: Iterable[Judged]) -> None:
    """Append rankings; nothing is written when one of them breaks a rule. Raises BrokenSet.

    A window is ranked once by a judge, and no judge reads a text twice: the second time would not be a fresh look.
    """
    path = folder / "rankings.jsonl"
    known = read_rankings(folder) if path.exists() else []
    seen = {(r.judge, item) for r in known for item in r.order if item not in MARKERS}
    fresh = list(rankings)
    for ranking in fresh:
        items = {(ranking.judge, item) for item in ranking.order if item not in MARKERS}
        if twice := items & seen:
            text = min(twice)[1]
            raise BrokenSet(f"window '{ranking.window}': judge '{ranking.judge}' has read text '{text}' before")
        seen |= items
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(ranking)) + "\n" for ranking in fresh)
