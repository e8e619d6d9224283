"""What several tests need: the real encoder and evaluator, loaded once."""

import os

import pytest

from anchors.encoder import Encoder
from anchors.evaluator import Evaluator
from anchors.gauge import load
from anchors.reader import StanceReader, load_reader
from anchors.values import GAUGE


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder(device="cpu")


@pytest.fixture(scope="session")
def reader() -> StanceReader:
    gauge = load(GAUGE)
    return load_reader(gauge.backbone, gauge.network, device="cpu")


@pytest.fixture(scope="session")
def evaluator(encoder: Encoder, reader: StanceReader) -> Evaluator:
    return Evaluator(encoder, load(GAUGE), reader)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("VALUEFLOW_")]:
        monkeypatch.delenv(name)
