from pathlib import Path

import numpy as np
import pytest
import torch

from anchors.encoder import MAX_TOKENS, CorruptModel, Encoder, locate, verify_sha256
from anchors.train.memory import Remembering

TEXTS = ["A short one.", "A rather longer text about a ferry and its captain. " * 12, "Lunch is at noon."]


def test_batches_and_order_do_not_change_a_text(encoder: Encoder) -> None:
    together = encoder(TEXTS)
    for n, text in enumerate(TEXTS):
        alone = encoder([text])
        length = int(alone.mask.sum())
        assert int(together.mask[n].sum()) == length
        assert np.allclose(together.embedding[n], alone.embedding[0], atol=1e-5)
        assert torch.allclose(together.states[n, :length], alone.states[0], atol=1e-4)


def test_shapes_and_unit_length(encoder: Encoder) -> None:
    found = encoder(TEXTS)
    assert found.embedding.shape == (3, 384)
    assert found.states.shape == (*found.mask.shape, 384)
    assert found.mask.sum(1).argmax() == 1
    assert np.allclose(np.linalg.norm(found.embedding, axis=1), 1, atol=1e-5)


def test_long_texts_are_cut(encoder: Encoder) -> None:
    assert encoder(["word " * 5000]).mask.shape == (1, MAX_TOKENS)


def test_an_encoder_that_remembers_gives_the_same(encoder: Encoder) -> None:
    remembering = Remembering(encoder)
    remembering(TEXTS[:1])
    again, fresh = remembering(TEXTS), encoder(TEXTS)
    assert np.allclose(again.embedding, fresh.embedding, atol=1e-5)
    assert torch.allclose(again.states, fresh.states, atol=1e-2)
    assert torch.equal(again.mask, fresh.mask)


def test_it_agrees_with_sentence_transformers(encoder: Encoder) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(locate(encoder.name)), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert np.allclose(encoder(TEXTS).embedding, theirs, atol=1e-5)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x")
    with pytest.raises(CorruptModel, match="SHA-256"):
        verify_sha256(path, "0" * 64)
