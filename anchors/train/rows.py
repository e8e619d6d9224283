"""A VIDB as arrays: one row a text and value, with the split of its topic. Knows files' contents, not models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anchors.vidb.scale import Intensity, read_intensities
from anchors.vidb.texts import Split, VidbText, read_texts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """N rows over T texts and V values: `text` (N,) and `value` (N,) are numbers into `texts` and `values`."""

    texts: Sequence[VidbText]
    values: tuple[str, ...]
    text: Ints
    value: Ints
    intensity: Floats
    utility: Floats
    relevance: Floats

    def where(self, *splits: Split) -> Ints:
        """Numbers of the rows of these splits."""
        wanted = np.array([t.split in splits for t in self.texts])
        return np.flatnonzero(wanted[self.text])

    def only(self, which: Ints | NDArray[np.bool_]) -> "Rows":
        """These rows, of the same texts and values."""
        names = ("text", "value", "intensity", "utility", "relevance")
        return replace(self, **{name: getattr(self, name)[which] for name in names})

    def registers(self) -> NDArray[np.str_]:
        """Each row's register."""
        return np.array([t.register for t in self.texts])[self.text]

    def writers(self) -> NDArray[np.str_]:
        """Who wrote each row's text."""
        return np.array([t.writer for t in self.texts])[self.text]

    def topics(self) -> Ints:
        """A number for each row's topic."""
        names = {name: n for n, name in enumerate(sorted({t.topic for t in self.texts}))}
        return np.array([names[t.topic] for t in self.texts])[self.text]


def read_rows(folder: Path, borrowed: Mapping[str, str] | None = None) -> Rows:
    """All rows of a VIDB. Raises BrokenSet.

    Other people's texts are in it by their hash alone; `borrowed` gives those at hand by id, and they count as panel
    texts of a topic of their own. Rows of the others are left out.
    """
    texts = read_texts(folder)
    for name, text in (borrowed or {}).items():
        texts[name] = VidbText(name, "borrowed", f"borrowed {name}", "panel", text, (), "borrowed")
    rows = [row for row in read_intensities(folder) if row.text in texts]
    return as_rows(rows, list(texts.values()))


def as_rows(rows: Sequence[Intensity], texts: Sequence[VidbText]) -> Rows:
    """Arrays of these rows."""
    number = {t.id: n for n, t in enumerate(texts)}
    values = tuple(dict.fromkeys(row.value for row in rows))
    place = {v: n for n, v in enumerate(values)}
    return Rows(
        texts,
        values,
        np.array([number[r.text] for r in rows]),
        np.array([place[r.value] for r in rows]),
        np.array([r.intensity for r in rows]),
        np.array([r.utility for r in rows]),
        np.array([r.relevance for r in rows]),
    )
