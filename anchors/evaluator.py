"""How strongly does a text express each value? Encoder, panel, comparator, utility, calibration: in this order.

Knows the parts and their order; how each works stands in its own file. Knows nothing of tenants, prompts or HTTP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anchors import calibration
from anchors.comparator import Comparator
from anchors.encoder import Encode, Encoder
from anchors.gate import Gate
from anchors.gate import load as load_gate
from anchors.gauge import BrokenGauge, Gauge, load
from anchors.panel import Panel
from anchors.plackett_luce import utility_against
from anchors.reader import Precision, Read, load_reader
from anchors.score import Neighbour, Score, Unscored
from anchors.values import GAUGE

MAX_CHARACTERS = 200_000
"""Beyond this a text is not scored: the encoder would read a small part of it only."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Text:
    """A text to score and, where there was one, the question it answers."""

    text: str
    question: str = ""


class Evaluate(Protocol):
    """What the rest of the product asks of an evaluator."""

    version: str
    values: Sequence[str]
    """What it can measure, by id."""
    typical_sd: Mapping[str, float]
    """The predictive sd by value for a relevant text of a hundred words that takes a moderate stance, in points."""

    def evaluate(self, texts: Sequence[Text], values: Sequence[str]) -> Sequence[Mapping[str, Score | Unscored]]:
        """A result for each text and value."""
        ...


@dataclass(frozen=True, slots=True)
class Measured:
    """Uncalibrated measurements of n texts on k values: utility, stance, relevance (n, k); words (n,).

    `panels` are the anchor numbers (n, p) of each value in turn.
    """

    utility: Floats
    stance: Floats
    relevance: Floats
    words: Floats
    panels: Sequence[NDArray[np.int64]]


class Evaluator:
    """The local evaluator. Raises BrokenGauge when the gauge was trained on another encoder."""

    def __init__(self, encoder: Encode, gauge: Gauge, read: Read, gate: Gate | None = None) -> None:
        if encoder.name != gauge.encoder:
            raise BrokenGauge(f"the gauge was trained on encoder {gauge.encoder}, not on {encoder.name}")
        self.encoder = encoder
        self._panel = Panel(gauge)
        self._comparator = Comparator(gauge, read)
        self.gauge = gauge
        self.gate = gate
        """What says whether a conversation speaks to values, where there is one for this encoder."""
        self.values: Sequence[str] = gauge.values
        self.typical_sd: Mapping[str, float] = calibration.typical_sd(gauge)
        self.version = f"{gauge.version}{'-provisional' if gauge.provisional else ''}"

    def evaluate(self, texts: Sequence[Text], values: Sequence[str]) -> list[dict[str, Score | Unscored]]:
        """A Score or an Unscored for each text and value id, in order. Raises KeyError on a value without anchors."""
        columns = [self.gauge.values.index(v) if v in self.gauge.values else _missing(v) for v in values]
        result: list[dict[str, Score | Unscored]] = [
            dict.fromkeys(values, Unscored("too_long" if t.text.strip() else "empty")) for t in texts
        ]
        able = [i for i, t in enumerate(texts) if t.text.strip() and len(t.text) <= MAX_CHARACTERS]
        if able and values:
            measured = self.measure([texts[i] for i in able], columns)
            for row, i in enumerate(able):
                for place, value in enumerate(values):
                    result[i][value] = self._score(measured, row, place, columns[place])
        return result

    def measure(self, texts: Sequence[Text], columns: Sequence[int]) -> Measured:
        """Everything before calibration, for the values with these numbers."""
        encoding = self.encoder([t.text for t in texts])
        stance, relevance = self._comparator.read([t.text for t in texts], columns)
        panels = [self._panel.find(encoding.embedding, column) for column in columns]
        utility = np.empty_like(stance)
        for size in {panel.shape[1] for panel in panels}:  # values with panels of one size go together
            places = [place for place, panel in enumerate(panels) if panel.shape[1] == size]
            anchors = np.stack([panels[place] for place in places], axis=1)
            wins = self._comparator.beats(stance[:, places, None], self.gauge.anchor_intensity[anchors])
            utility[:, places] = utility_against(self.gauge.anchor_utility[anchors], wins)
        words = np.asarray([len(t.text.split()) for t in texts], dtype=np.float64)
        return Measured(utility, stance, relevance, words, panels)

    def _score(self, measured: Measured, row: int, place: int, column: int) -> Score:
        relevance = float(measured.relevance[row, place])
        estimate = calibration.calibrate(
            self.gauge, column, float(measured.utility[row, place]), relevance, float(measured.words[row])
        )
        panel = measured.panels[place][row]
        intensities = self.gauge.anchor_intensity[panel]
        below, above = panel[intensities <= estimate.intensity], panel[intensities > estimate.intensity]
        return Score(
            intensity=estimate.intensity,
            sd=estimate.sd,
            low=estimate.low,
            high=estimate.high,
            relevance=relevance,
            utility=float(measured.utility[row, place]),
            below=self._neighbour(below[np.argmax(self.gauge.anchor_intensity[below])]) if len(below) else None,
            above=self._neighbour(above[np.argmin(self.gauge.anchor_intensity[above])]) if len(above) else None,
        )

    def _neighbour(self, anchor: int) -> Neighbour:
        gauge = self.gauge
        return Neighbour(gauge.anchor_id[anchor], gauge.anchor_text[anchor], float(gauge.anchor_intensity[anchor]))


def _missing(value: str) -> int:
    raise KeyError(f"the evaluator has no anchors for {value}")


def default_evaluator(
    encoder: str,
    device: str | None = None,
    batch: int = 16,
    threads: int = 1,
    folder: Path = GAUGE,
    precision: Precision = "auto",
) -> Evaluator:
    """The evaluator on the shipped gauge or a folder's, on an encoder by name or path; loading needs no network.

    The gate that ships with the product is part of it on the encoder that it was trained on. Raises BrokenGauge,
    CorruptModel, and OSError when a model is not installed.
    """
    gauge, head = load(folder), load_gate()
    encode = Encoder(encoder, device=device, batch_size=batch, threads=threads)
    gate = Gate(head, encode) if head.encoder == encoder else None
    return Evaluator(encode, gauge, load_reader(gauge.backbone, gauge.network, device or "", precision), gate)
