from pathlib import Path

import numpy as np
import pytest

from anchors.encoder import CorruptModel, Encoder, locate, verify_sha256

TEXTS = ["A short one.", "A rather longer text about a ferry and its captain. " * 12, "Lunch is at noon."]


def test_batches_and_order_do_not_change_a_text(encoder: Encoder) -> None:
    together = encoder(TEXTS)
    for n, text in enumerate(TEXTS):
        alone = encoder([text])
        assert np.allclose(together.embedding[n], alone.embedding[0], atol=1e-5)
        assert np.allclose(together.states[n], alone.states[0], atol=1e-4)


def test_shapes_and_unit_length(encoder: Encoder) -> None:
    found = encoder(TEXTS)
    assert found.embedding.shape == (3, 384)
    assert found.states.shape == (3, 3 * 384)
    assert np.allclose(np.linalg.norm(found.embedding, axis=1), 1, atol=1e-5)
    assert found.tokens[1] > found.tokens[0]


def test_it_agrees_with_sentence_transformers(encoder: Encoder) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(locate(encoder.name)), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert np.allclose(encoder(TEXTS).embedding, theirs, atol=1e-5)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x")
    with pytest.raises(CorruptModel, match="SHA-256"):
        verify_sha256(path, "0" * 64)
