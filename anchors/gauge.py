"""The trained parts of the evaluator as one versioned folder: arrays, the stance network's weights, and the rest.

Knows names, shapes and checksums; nothing of how the parts are trained or used.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class BrokenGauge(ValueError):
    """A gauge folder cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """What training leaves behind. V values, A panel anchors (a text and a value each), D embedding.

    `backbone` names the transformer under the stance network, `network` are the network's weights as
    `anchors.stance.packed` keeps them; `words` (V, B) the linear reading of hashed words, `rarity` (B,)
    their weights; `mix` (3,) turns network, words and a constant into stance in points; `sharpness` is log-odds per
    point of difference to an anchor; `relevance` (2,) slope and shift of the network's log-odds of relevance.
    Of the panel: `anchor_value` (A,) index into values, `anchor_embedding` (A, D), `anchor_intensity`,
    `anchor_utility` (A,), `anchor_id`, `anchor_text`. `slope`, `intercept` (V,) map utility to intensity;
    `error` (5,) the log-sd model; `quantile` the conformal factor, and `factors` those of values with one of their own.
    """

    encoder: str
    backbone: str
    values: tuple[str, ...]
    network: Mapping[str, Tensor]
    words: Floats
    rarity: Floats
    mix: Floats
    sharpness: float
    relevance: Floats
    anchor_value: Ints
    anchor_embedding: Floats
    anchor_intensity: Floats
    anchor_utility: Floats
    anchor_id: tuple[str, ...]
    anchor_text: tuple[str, ...]
    slope: Floats
    intercept: Floats
    error: Floats
    quantile: float
    vidb: str
    provisional: bool
    version: str = ""
    factors: Mapping[str, float] = field(default_factory=dict)


_HALF = {"anchor_embedding", "words", "rarity"}
_ARRAYS = "gauge.npz"
_WEIGHTS = "stance.safetensors"


def save(gauge: Gauge, folder: Path) -> Gauge:
    """Write the folder and return the gauge with its version, a hash of everything in it."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays, rest = dict[str, Any](), dict[str, Any]()
    for part in fields(gauge):
        value = getattr(gauge, part.name)
        if isinstance(value, np.ndarray):
            arrays[part.name] = value.astype(np.float16) if part.name in _HALF else value
        elif part.name not in {"version", "network"}:
            rest[part.name] = value
    if not gauge.factors:
        del rest["factors"]  # a gauge from before there were any keeps its version
    np.savez_compressed(folder / _ARRAYS, **arrays)
    save_file({k: v.detach().half().contiguous() for k, v in gauge.network.items()}, folder / _WEIGHTS)
    sums = {name: _sha256(folder / name) for name in (_ARRAYS, _WEIGHTS)}
    version = hashlib.sha256(json.dumps([rest, sums], sort_keys=True).encode()).hexdigest()[:12]
    rest |= {"version": version, "sha256": sums}
    (folder / "gauge.json").write_text(json.dumps(rest, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return load(folder)


def load(folder: Path) -> Gauge:
    """Read a folder that `save` wrote. Raises BrokenGauge when a part is missing or does not have its checksum."""
    if not (folder / "gauge.json").is_file():
        raise BrokenGauge(f"{folder}: there is no gauge in this folder (no gauge.json)")
    try:
        rest = json.loads((folder / "gauge.json").read_text("utf-8"))
        for name, expected in rest.pop("sha256").items():
            if _sha256(folder / name) != expected:
                raise BrokenGauge(f"{folder / name} does not have the checksum of gauge.json")
        with np.load(folder / _ARRAYS, allow_pickle=False) as stored:
            arrays: dict[str, Any] = {
                k: stored[k].astype(np.float64 if stored[k].dtype.kind == "f" else np.int64) for k in stored
            }
        network = {k: v.float() for k, v in load_file(folder / _WEIGHTS).items()}
        texts: dict[str, Any] = {k: tuple(rest.pop(k)) for k in ("values", "anchor_id", "anchor_text")}
        return Gauge(network=network, **arrays, **texts, **rest)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise BrokenGauge(f"{folder}: {error}") from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
