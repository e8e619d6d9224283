"""An encoder and a comparator that remember: training and evaluation look at the same texts many times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from anchors.comparator import Comparator
from anchors.encoder import Encoding, pad
from anchors.evaluator import EncodeWithLayers
from anchors.gauge import Gauge

Floats = NDArray[np.float64]
Readings = dict[str, tuple[Floats, Floats]]


@dataclass(frozen=True, slots=True)
class Remembered(Encoding):
    """An encoding that knows its texts."""

    texts: tuple[str, ...]

    def only(self, places: Sequence[int]) -> "Remembered":
        """Those at these places."""
        which = list(places)
        return Remembered(
            self.embedding[which], self.states[which], self.mask[which], tuple(self.texts[n] for n in which)
        )


class Remembering:
    """Encodes each text once. For offline work: it keeps everything, in half precision."""

    def __init__(self, encode: EncodeWithLayers) -> None:
        self.name = encode.name
        self._encode = encode
        self._known: dict[str, tuple[NDArray[np.float32], torch.Tensor]] = {}

    def upper_layers(self) -> Sequence[torch.nn.Module]:
        """The encoder's own."""
        return self._encode.upper_layers()

    def __call__(self, texts: Sequence[str]) -> Remembered:
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
        return Remembered(np.stack([r[0] for r in rows]), states, mask, tuple(texts))


class _RememberingComparator(Comparator):
    """Reads each text by the network once, on all values."""

    def __init__(self, gauge: Gauge, layers: Sequence[torch.nn.Module], known: Readings) -> None:
        super().__init__(gauge, layers)
        self._every = range(len(gauge.values))
        self._known = known

    def network(self, encoding: Encoding, columns: Sequence[int]) -> tuple[Floats, Floats]:
        if not isinstance(encoding, Remembered):
            raise TypeError("an encoder that remembers is needed")
        first = {text: place for place, text in enumerate(encoding.texts) if text not in self._known}
        if first:
            read = super().network(encoding.only(list(first.values())), self._every)
            self._known |= dict(zip(first, zip(*read, strict=True), strict=True))
        found = [self._known[text] for text in encoding.texts]
        stance, relevance = (np.stack([of[part] for of in found])[:, list(columns)] for part in (0, 1))
        return stance, relevance


def remembering_comparators(encoder: Remembering) -> Callable[[Gauge], Comparator]:
    """Comparators of gauges that share one network: what it reads in a text is kept for all of them."""
    known = Readings()
    return lambda gauge: _RememberingComparator(gauge, encoder.upper_layers(), known)
