"""An encoder and a reader that remember: training and evaluation look at the same texts many times."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anchors.encoder import Encode, Encoding, pad
from anchors.reader import Read

Floats = NDArray[np.float64]


class Remembering:
    """Encodes each text once. For offline work: it keeps everything, token states in half precision."""

    def __init__(self, encode: Encode) -> None:
        self.name = encode.name
        self._encode = encode
        self._known: dict[str, Any] = {}

    def __call__(self, texts: Sequence[str]) -> Encoding:
        """Encode texts, in order."""

        def rows(new: Sequence[str]) -> list[Any]:
            found = self._encode(new)
            lengths = found.mask.sum(1).tolist()
            return [(found.embedding[n], found.states[n, : lengths[n]].half()) for n in range(len(new))]

        known = _remembered(texts, self._known, rows)
        states, mask = pad([r[1].float() for r in known])
        return Encoding(np.stack([r[0] for r in known]), states, mask)


class RememberingReader:
    """Reads each text once."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._known: dict[str, Any] = {}

    def __call__(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Stance in points and P(relevant), both (n, V)."""
        known = _remembered(texts, self._known, lambda new: list(zip(*self._read(new), strict=True)))
        return np.stack([r[0] for r in known]), np.stack([r[1] for r in known])


def _remembered(texts: Sequence[str], known: dict[str, Any], rows: Callable[[Sequence[str]], list[Any]]) -> list[Any]:
    new = [t for t in dict.fromkeys(texts) if t not in known]
    for start in range(0, len(new), 256):
        part = new[start : start + 256]
        known.update(zip(part, rows(part), strict=True))
    return [known[t] for t in texts]
