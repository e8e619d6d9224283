"""The reader on the shipped network: order, batches, long texts, number formats."""

import numpy as np
import pytest

from anchors.gauge import load
from anchors.reader import MAX_TOKENS, StanceReader, load_reader
from anchors.values import GAUGE

LONG = "Ring your sister before you do anything else; she should not be alone with this tonight. " * 40
TEXTS = ["Sit with her tonight.", LONG, "Boil the pasta for nine minutes."]


@pytest.fixture(scope="module")
def reader() -> StanceReader:
    gauge = load(GAUGE)
    return load_reader(gauge.backbone, gauge.network, device="cpu", precision="float32")


def test_a_text_reads_alike_alone_and_in_company(reader: StanceReader) -> None:
    together = reader(TEXTS)
    alone = [reader([t]) for t in TEXTS]
    for both, single in zip(together, zip(*alone, strict=True), strict=True):
        assert np.allclose(both, np.concatenate(single), atol=1e-3)


def test_a_long_text_is_read_in_windows_to_its_end(reader: StanceReader) -> None:
    value = load(GAUGE).values.index("svt/benevolence")
    beginning = "The bus leaves at nine from the square and takes an hour to the coast. " * 30
    kind, cold = "Sit with her tonight, she needs you. " * 20, "Her troubles are her own, leave her to them. " * 20
    assert len(beginning.split()) > MAX_TOKENS
    (warm, cool), _ = (found[:, value] for found in reader([beginning + kind, beginning + cold]))
    assert warm > cool + 0.5


def test_an_empty_list_and_an_empty_text_are_read(reader: StanceReader) -> None:
    assert reader([""])[0].shape == (1, 32)


def test_bfloat16_reads_nearly_the_same(reader: StanceReader) -> None:
    gauge = load(GAUGE)
    half = load_reader(gauge.backbone, gauge.network, device="cpu", precision="bfloat16")
    assert np.abs(half(TEXTS)[0] - reader(TEXTS)[0]).max() < 0.5
