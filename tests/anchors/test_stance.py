"""The stance network on its real backbone: shapes, masking, packing, and that it can learn what it is shown."""

import numpy as np
import pytest
import torch

from anchors.backbone import PACKAGED, Backbone, load_backbone
from anchors.reader import LAYERS, StanceReader
from anchors.stance import StanceNetwork, packed, padded, unpack, value_queries
from anchors.train.stance import Example, Label, Schedule, train
from anchors.values import catalogue

VALUES = [catalogue()[v] for v in ("svt/benevolence", "svt/power", "mft/care")]
TEXTS = {"Sit with her tonight.": 6.0, "Her troubles are her own.": -6.0, "Boil the pasta for nine minutes.": 0.0}


@pytest.fixture
def backbone() -> Backbone:
    return load_backbone(PACKAGED, LAYERS)


@pytest.fixture
def network(backbone: Backbone) -> StanceNetwork:
    torch.manual_seed(0)
    return StanceNetwork(backbone.body, value_queries(VALUES, backbone)).eval()


@torch.inference_mode()
def test_one_pass_gives_every_value_and_padding_changes_nothing(network: StanceNetwork, backbone: Backbone) -> None:
    tokens = backbone.tokens(["Help her.", "Help her, " + "and then go on to the next one, " * 10], 99)
    alone, both = (network(*padded(t, backbone.tokenizer.pad_token_id)) for t in (tokens[:1], tokens))
    assert both[0].shape == both[1].shape == (2, 3)
    assert torch.allclose(alone[0][0], both[0][0], atol=1e-4)
    assert torch.allclose(alone[1][0], both[1][0], atol=1e-4)


def test_it_learns_what_it_is_shown_and_its_gauge_keeps_it(network: StanceNetwork, backbone: Backbone) -> None:
    original = {name: weight.clone() for name, weight in network.state_dict().items()}
    examples = [Example(t, {0: Label(y, float(y != 0))}) for t, y in TEXTS.items()] * 8
    train(network, backbone, examples, Schedule(epochs=16, tokens=240))
    kept = packed(network.state_dict(), original, rank=64)
    words = "body.embeddings.word_embeddings.weight"
    assert torch.equal(network.state_dict()[words], original[words]), "word embeddings stay the backbone's"
    assert not [name for name in kept if name.startswith(words)]
    fresh = load_backbone(PACKAGED, LAYERS)
    again = StanceNetwork(fresh.body, original["queries"])
    unpack(kept, again)
    stance, relevance = StanceReader(again, fresh, precision="float32")(list(TEXTS))
    assert stance[:, 0] == pytest.approx(np.array(list(TEXTS.values())), abs=2.5)
    assert relevance[2, 0] < 0.5 < relevance[0, 0]


def test_a_change_of_low_rank_is_kept_whole(network: StanceNetwork) -> None:
    original = {name: weight.clone() for name, weight in network.state_dict().items()}
    name = next(n for n, w in original.items() if n.startswith("body.encoder") and w.ndim == 2 and min(w.shape) > 64)
    tuned = dict(original)
    rows, columns = original[name].shape
    tuned[name] = original[name] + 0.01 * torch.outer(torch.ones(rows), torch.arange(columns) % 3)
    kept = packed(tuned, original, rank=2)
    assert {n for n in kept if n.startswith("body.")} == {name + ".up", name + ".down"}
    unpack(kept, network)
    assert torch.allclose(network.state_dict()[name], tuned[name], atol=1e-4)
