"""Training a gauge from a small part of the VIDB: every step from rows to a folder that an evaluator loads."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from anchors.encoder import Encoder
from anchors.evaluator import Evaluator, Text
from anchors.gauge import load, save
from anchors.reader import load_reader
from anchors.score import Score
from anchors.train.gauge import train_gauge
from anchors.train.memory import Remembering
from anchors.train.rows import read_rows
from anchors.train.stance import Example, Label, Schedule
from anchors.train.statements import Statement
from anchors.values import DATA, catalogue


def test_a_gauge_is_trained_saved_loaded_and_scores(encoder: Encoder, tmp_path: Path) -> None:
    every = read_rows(DATA / "vidb")
    rows = every.only(np.isin(every.text % 12, [0]))
    public = [Example("They went back on their word.", {rows.values.index("duty/fidelity"): Label(-5.0, 1.0)})]
    heard = list[tuple[int, int]]()
    trained = train_gauge(
        rows,
        Remembering(encoder),
        catalogue(),
        "a VIDB",
        public,
        [Statement("Keep your word, whatever it costs.", "duty/fidelity", 8.0)],
        Schedule(epochs=0.1, longest=64),
        tell=lambda text: heard.append((0, len(text))),
    )
    saved = save(replace(trained, version=""), tmp_path)
    again = load(tmp_path)
    assert again.version == saved.version
    assert heard, "progress is told"
    reader = load_reader(again.backbone, again.network, device="cpu")
    found = Evaluator(encoder, again, reader).evaluate([Text("Keep it, as you promised.")], ["duty/fidelity"])[0]
    score = found["duty/fidelity"]
    assert isinstance(score, Score)
    assert score.low < score.intensity < score.high
    assert 0 < score.relevance < 1
