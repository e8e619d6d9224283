"""People's labels of texts from a CSV table: numbers on the scale, or choices between two texts.

Knows columns and lines; nothing of gauges or of how labels are used.
"""

import csv
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anchors.values import Catalogue, UnknownValue

Ints = NDArray[np.int64]
NUMBERS = ("text", "value", "intensity")
CHOICES = ("text_a", "text_b", "value", "winner")
MAX_LABELS = 2000


class BrokenLabels(ValueError):
    """A table of labels cannot be used; the message names file, line and field."""


@dataclass(frozen=True, slots=True)
class Labels:
    """n labels of distinct `texts` on distinct `values`, either numbers or choices.

    `value` (n,) numbers the label's value and `first` (n,) its text. Numbers have `intensity` (n,) in [-10, 10];
    choices have `second` (n,), the text that expresses the value less than `first`.
    """

    texts: tuple[str, ...]
    values: tuple[str, ...]
    value: Ints
    first: Ints
    second: Ints | None = None
    intensity: NDArray[np.float64] | None = None


def read_labels(path: Path, catalogue: Catalogue, measured: Collection[str]) -> Labels:
    """The labels of a table with columns text, value, intensity or text_a, text_b, value, winner (a or b).

    Other columns are left alone; values may be bare names and must be among `measured`. Raises BrokenLabels.
    """
    texts, values = dict[str, int](), dict[str, int]()
    value, first, second, intensity = list[int](), list[int](), list[int](), list[float]()
    for place, row in _rows(path):
        if len(value) == MAX_LABELS:
            raise BrokenLabels(f"{place}: more than {MAX_LABELS} labels")
        names = [c for c in ("text", "text_a", "text_b") if c in row]
        numbers = [texts.setdefault(_text(place, name, row[name]), len(texts)) for name in names]
        try:
            named = catalogue.resolve(row["value"].strip()).id
        except UnknownValue as error:
            raise BrokenLabels(f"{place}: value: {error}") from error
        if named not in measured:
            raise BrokenLabels(f"{place}: value: the gauge does not measure {named}")
        value.append(values.setdefault(named, len(values)))
        if "winner" not in row:
            intensity.append(_intensity(place, row["intensity"]))
            first.append(numbers[0])
            continue
        if (winner := row["winner"].strip().lower()) not in {"a", "b"}:
            raise BrokenLabels(f"{place}: winner: expected a or b, found '{row['winner']}'")
        if numbers[0] == numbers[1]:
            raise BrokenLabels(f"{place}: text_b: is the same as text_a")
        better, worse = numbers if winner == "a" else reversed(numbers)
        first.append(better)
        second.append(worse)
    if not value:
        raise BrokenLabels(f"{path}: no labels")
    return Labels(
        tuple(texts),
        tuple(values),
        np.array(value),
        np.array(first),
        np.array(second) if second else None,
        np.array(intensity) if intensity else None,
    )


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each row's place (file and the line it ends on) and the columns that count."""
    number = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = next((c for c in (NUMBERS, CHOICES) if set(c) <= set(reader.fieldnames or ())), None)
            if columns is None:
                raise BrokenLabels(
                    f"{path}:1: columns: expected {', '.join(NUMBERS)} or {', '.join(CHOICES)},"
                    f" found {', '.join(reader.fieldnames or ()) or 'none'}"
                )
            for row in reader:
                number = reader.line_num
                if None in row:
                    raise BrokenLabels(f"{path}:{number}: more fields than columns: is a text with commas not quoted?")
                if missing := next((c for c in columns if row[c] is None), None):
                    raise BrokenLabels(f"{path}:{number}: {missing}: missing")
                yield f"{path}:{number}", {c: row[c] for c in columns}
    except csv.Error as error:
        raise BrokenLabels(f"{path}:{number + 1}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenLabels(f"{path}: {error}") from error


def _text(place: str, name: str, text: str) -> str:
    if not text.strip():
        raise BrokenLabels(f"{place}: {name}: is empty")
    return text


def _intensity(place: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError as error:
        raise BrokenLabels(f"{place}: intensity: '{text}' is not a number") from error
    if not -10 <= found <= 10:
        raise BrokenLabels(f"{place}: intensity: {text} is not in [-10, 10]")
    return found
