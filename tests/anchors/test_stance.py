"""The stance network on the real encoder's layers: shapes, masking, and that it can learn what it is shown."""

import numpy as np
import pytest
import torch

from anchors.encoder import Encoder
from anchors.stance import SCALE, StanceNetwork, value_queries
from anchors.train.memory import Remembering
from anchors.train.stance import Example, Label, Schedule, train
from anchors.values import catalogue

VALUES = [catalogue()[v] for v in ("svt/benevolence", "svt/power")]


@pytest.fixture
def network(encoder: Encoder) -> StanceNetwork:
    torch.manual_seed(0)
    queries = value_queries(VALUES, lambda texts: encoder(texts).embedding)
    return StanceNetwork(encoder.upper_layers(), queries, 384).eval()


@torch.inference_mode()
def test_shapes_and_any_subset_of_values(network: StanceNetwork, encoder: Encoder) -> None:
    found = encoder(["One text.", "Another, rather longer text about a ferry."])
    both = network(found.states, found.mask, torch.tensor([[0, 1], [0, 1]]))
    second = network(found.states, found.mask, torch.tensor([[1], [1]]))
    assert both[0].shape == both[1].shape == (2, 2)
    assert torch.allclose(both[0][:, 1:], second[0], atol=1e-5)


@torch.inference_mode()
def test_padding_changes_nothing(network: StanceNetwork, encoder: Encoder) -> None:
    short, long = "Help her.", "Help her, " + "and then go on to the next one, " * 10
    alone, together = encoder([short]), encoder([short, long])
    values = torch.tensor([[0, 1]])
    one = network(alone.states, alone.mask, values)[0]
    two = network(together.states, together.mask, values.expand(2, -1))[0][:1]
    assert torch.allclose(one, two, atol=1e-4)


def test_the_encoders_own_layers_stay_as_they_are(encoder: Encoder) -> None:
    before = [p.clone() for layer in encoder.upper_layers() for p in layer.parameters()]
    queries = value_queries(VALUES, lambda texts: encoder(texts).embedding)
    network = StanceNetwork(encoder.upper_layers(), queries, 384)
    train(network, encoder, [Example("Help her.", {0: Label(5.0, 1.0)})] * 4, Schedule(epochs=2, rate=1e-3, batch=2))
    after = [p for layer in encoder.upper_layers() for p in layer.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_it_learns_stance_and_relevance_of_what_it_is_shown(network: StanceNetwork, encoder: Encoder) -> None:
    texts = {"Sit with her tonight.": 6.0, "Her troubles are her own.": -6.0, "Boil the pasta for nine minutes.": 0.0}
    examples = [Example(t, {0: Label(y, float(y != 0))}) for t, y in texts.items()] * 8
    train(network, Remembering(encoder), examples, Schedule(epochs=12, rate=3e-4, batch=6, pairs=True))
    found = encoder(list(texts))
    with torch.inference_mode():
        stance, odds = network(found.states, found.mask, torch.zeros(3, 1, dtype=torch.long))
    assert stance[:, 0].numpy() * SCALE == pytest.approx(np.array(list(texts.values())), abs=2.0)
    assert odds[2, 0] < 0 < odds[0, 0]
