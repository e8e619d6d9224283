"""Reads texts with the stance network: stance and relevance on all of its values, in batches of like length.

Knows tokens, batches, device and number format; nothing of words, anchors or calibration.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from threading import Lock
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from anchors.backbone import Backbone, load_backbone
from anchors.stance import SCALE, StanceNetwork, padded, unpack

Floats = NDArray[np.float64]
Precision = Literal["auto", "float32", "bfloat16"]
MAX_TOKENS = 192
WINDOWS = 8
"""A longer text is read in so many windows at most."""
LAYERS = 6
"""Of the backbone that a gauge names."""


class Read(Protocol):
    """What the comparator asks of a reader."""

    def __call__(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Stance in points and P(relevant) of n texts on the gauge's V values, both (n, V)."""
        ...


class StanceReader:
    """A network over its tokenizer. `tokens` bounds a batch with its padding; a longer text goes alone."""

    def __init__(
        self, network: StanceNetwork, backbone: Backbone, device: str = "cpu", precision: Precision = "auto",
        tokens: int = 4096,
    ) -> None:  # fmt: skip
        self._network = network.eval().to(device)
        if precision == "bfloat16" or (precision == "auto" and quick_bfloat16(device)):
            self._network.body.to(torch.bfloat16)
        with torch.inference_mode():
            self._asking = self._network.asking()
        self._backbone = backbone
        self._device = device
        self._tokens = tokens
        self._one_at_a_time = Lock()  # tokenizers cannot be shared by threads

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Stance in points and P(relevant) of n texts on all values, both (n, V).

        A text beyond MAX_TOKENS is read in windows: its relevance is the most relevant one's, its stance their mean,
        weighted by length and relevance. What lies beyond the last window is not read.
        """
        with self._one_at_a_time:
            tokens = self._backbone.tokens(texts, WINDOWS * (MAX_TOKENS - 2) + 2)
        windows = [(i, window) for i, text in enumerate(tokens) for window in _windows(text)]
        stance, relevance = self._read([window for _, window in windows])
        of, length = np.array([i for i, _ in windows]), np.array([len(window) for _, window in windows])
        starts = np.flatnonzero(np.diff(of, prepend=-1))
        weights = relevance * length[:, None]
        mean = np.add.reduceat(weights * stance, starts) / np.add.reduceat(weights, starts)
        return mean, np.maximum.reduceat(relevance, starts)

    def _read(self, tokens: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
        stance, relevance = (np.empty((len(tokens), len(self._network.queries))) for _ in range(2))
        order = sorted(range(len(tokens)), key=lambda i: -len(tokens[i]))
        while order:
            most = max(self._tokens // len(tokens[order[0]]), 1)
            batch, order = order[:most], order[most:]
            ids, mask = padded([tokens[i] for i in batch], self._backbone.tokenizer.pad_token_id)
            found, odds = self._network(ids.to(self._device), mask.to(self._device), self._asking)
            stance[batch] = found.double().cpu().numpy() * SCALE
            relevance[batch] = expit(odds.double().cpu().numpy())
        return stance, relevance


def load_reader(
    backbone: str, weights: Mapping[str, Tensor], device: str = "", precision: Precision = "auto"
) -> StanceReader:
    """A reader with a gauge's network. Raises OSError, CorruptModel or ValueError when the backbone cannot be had."""
    base = load_backbone(backbone, LAYERS)
    network = StanceNetwork(base.body, weights["queries"])
    unpack(weights, network)
    return StanceReader(network, base, device or ("cuda" if torch.cuda.is_available() else "cpu"), precision)


def quick_bfloat16(device: str) -> bool:
    """Whether this device multiplies matrices of bfloat16 faster than those of float32: CUDA, and CPUs with AMX."""
    return torch.device(device).type == "cuda" or bool(torch.cpu._is_amx_tile_supported())


def _windows(tokens: Sequence[int]) -> list[list[int]]:
    """These tokens in equal windows of at most MAX_TOKENS, each between the text's first and last special token."""
    first, *inner, last = tokens
    count = max(-(-len(inner) // (MAX_TOKENS - 2)), 1)
    edges = [len(inner) * n // count for n in range(count + 1)]
    return [[first, *inner[a:b], last] for a, b in pairwise(edges)]
