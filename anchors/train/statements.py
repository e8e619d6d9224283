"""Statements and replies with the stance that their writer was asked for: training rows for both readings of stance.

`statements.jsonl` in a VIDB's folder: {id, text, writer, levels: {value: -9 … 9}, off: [values], question}. They
are nobody's anchors and nobody's test, since no judge has ranked them. Knows the file; nothing of how rows are used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anchors.vidb.texts import BrokenSet, read_jsonl


@dataclass(frozen=True, slots=True)
class Statement:
    """A text and the level it was written for, in [-9, 9], on one value; zero where it does not speak to it."""

    text: str
    value: str
    level: float


def read_statements(folder: Path, values: Sequence[str]) -> list[Statement]:
    """One for each text and value among `values`; none where there is no such file. Raises BrokenSet."""
    path = folder / "statements.jsonl"
    if not path.exists():
        return []
    found = []
    for number, row in read_jsonl(path):
        text, levels, off = row.get("text"), row.get("levels", {}), row.get("off", [])
        if not isinstance(text, str) or not text.strip():
            raise BrokenSet(f"{path}:{number}: text: expected a text, found {text!r}")
        if not isinstance(levels, dict) or not isinstance(off, list):
            raise BrokenSet(f"{path}:{number}: levels: expected an object, and a list for 'off'")
        for value, level in [*levels.items(), *((value, 0) for value in off)]:
            if not isinstance(level, int | float) or not -9 <= level <= 9:
                raise BrokenSet(f"{path}:{number}: {value}: expected a level from -9 to 9, found {level!r}")
            if value in values:
                found.append(Statement(text, value, float(level)))
    return found
