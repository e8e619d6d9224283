"""Whether an answer to a conversation has occasion to take a stance on a value: P(applies | conversation, value).

A logistic head on an encoder's reading of the last turn and of the last turns together. Knows turns as texts, an
encoder and a small file; nothing of how the head is trained or of what is done with its answer.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.special import expit

from anchors.encoder import Encode
from anchors.gauge import BrokenGauge
from anchors.values import DATA

Floats = NDArray[np.float64]
GATE = DATA / "gate"
TURNS = 3
"""Of a longer conversation the gate reads the last so many turns."""
_HEAD, _WEIGHTS = "gate.json", "gate.safetensors"


@dataclass(frozen=True, slots=True)
class Head:
    """V values, F features: `mean` (F,), `weights` (V, F), `bias` (V,) in log-odds.

    `threshold` is the P(applies) from which on a value is taken to apply.
    """

    encoder: str
    values: tuple[str, ...]
    mean: Floats
    weights: Floats
    bias: Floats
    threshold: float

    def probability(self, features: Floats) -> Floats:
        """P(applies), (n, V), from what `features` gives for n conversations."""
        found: Floats = expit(self.bias + centred(features, self.mean) @ self.weights.T)
        return found


class Gate:
    """A head and the encoder that it was trained on. Raises BrokenGauge on another one."""

    def __init__(self, head: Head, encode: Encode) -> None:
        if encode.name != head.encoder:
            raise BrokenGauge(f"the gate was trained on encoder {head.encoder}, not on {encode.name}")
        self._head = head
        self._encode = encode

    def __call__(self, turns: Sequence[str], values: Sequence[str]) -> Mapping[str, bool]:
        """Whether each value applies to a conversation of at least one turn; a value that it does not know does."""
        probability = self._head.probability(features(self._encode, [turns]))[0]
        known = dict(zip(self._head.values, probability.tolist(), strict=True))
        return {value: known.get(value, 1.0) >= self._head.threshold for value in values}


def features(encode: Encode, conversations: Sequence[Sequence[str]]) -> Floats:
    """(n, F): embedding and mean token state of the last turn, and of the last turns with the newest first.

    Encoders read the beginning of a text, so that what is newest stands there.
    """
    texts = [turns[-1] for turns in conversations]
    texts += ["\n".join(reversed(turns[-TURNS:])) for turns in conversations]
    distinct = list(dict.fromkeys(texts))
    encoding = encode(distinct)
    mask = encoding.mask[..., None].float()
    states = ((encoding.states * mask).sum(1) / mask.sum(1)).double().numpy()
    read = np.hstack([encoding.embedding.astype(np.float64), states])
    place = {text: n for n, text in enumerate(distinct)}
    rows = read[[place[text] for text in texts]]
    return np.hstack([rows[: len(conversations)], rows[len(conversations) :]])


def centred(found: Floats, mean: Floats) -> Floats:
    """Features less their mean, each of the four parts; token states, which have no length, to length 1."""
    parts = np.split(found - mean, 4, axis=1)
    for n in (1, 3):
        parts[n] = parts[n] / np.maximum(np.linalg.norm(parts[n], axis=1, keepdims=True), 1e-9)
    return np.hstack(parts)


def save(head: Head, folder: Path = GATE) -> None:
    """Write the head beside the prompts."""
    arrays = {name: torch.tensor(getattr(head, name)).half() for name in ("mean", "weights", "bias")}
    save_file(arrays, folder / _WEIGHTS)
    about = {"encoder": head.encoder, "values": head.values, "threshold": round(head.threshold, 4)}
    about["sha256"] = hashlib.sha256((folder / _WEIGHTS).read_bytes()).hexdigest()
    (folder / _HEAD).write_text(json.dumps(about, indent=1) + "\n", "utf-8")


def load(folder: Path = GATE) -> Head:
    """Read what `save` wrote. Raises BrokenGauge when a part is missing or does not have its checksum."""
    try:
        about = json.loads((folder / _HEAD).read_text("utf-8"))
        if hashlib.sha256((folder / _WEIGHTS).read_bytes()).hexdigest() != about["sha256"]:
            raise BrokenGauge(f"{folder / _WEIGHTS} does not have the checksum of {_HEAD}")
        arrays = {name: array.double().numpy() for name, array in load_file(folder / _WEIGHTS).items()}
        return Head(about["encoder"], tuple(about["values"]), threshold=about["threshold"], **arrays)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise BrokenGauge(f"{folder}: {error}") from error
