"""An encoder that remembers: training and evaluation look at the same texts many times."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from anchors.encoder import Encoding, pad
from anchors.evaluator import EncodeWithLayers


class Remembering:
    """Encodes each text once. For offline work: it keeps everything, in half precision."""

    def __init__(self, encode: EncodeWithLayers) -> None:
        self.name = encode.name
        self._encode = encode
        self._known: dict[str, tuple[NDArray[np.float32], torch.Tensor]] = {}

    def upper_layers(self) -> Sequence[torch.nn.Module]:
        """The encoder's own."""
        return self._encode.upper_layers()

    def __call__(self, texts: Sequence[str]) -> Encoding:
        """Encode texts, in order."""
        new = [t for t in dict.fromkeys(texts) if t not in self._known]
        for start in range(0, len(new), 256):
            part = new[start : start + 256]
            found = self._encode(part)
            lengths = found.mask.sum(1).tolist()
            for n, text in enumerate(part):
                self._known[text] = (found.embedding[n], found.states[n, : lengths[n]].half())
        rows = [self._known[t] for t in texts]
        states, mask = pad([r[1].float() for r in rows])
        return Encoding(np.stack([r[0] for r in rows]), states, mask)
