"""The trained parts of the evaluator as one versioned folder: `gauge.npz` with arrays, `gauge.json` with the rest.

Knows names, shapes and checksums; nothing of how the parts are trained or used.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class BrokenGauge(ValueError):
    """A gauge folder cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """What training leaves behind. V values, A panel anchors (a text and a value each), D embedding, F features.

    `values` their ids; `mean`, `scale` (F,) standardise the encoder's states; `stance` (V, F) and `stance_bias` (V,)
    give stance in points; `relevance` (V, D), `relevance_bias` (V,) its log-odds; `sharpness` log-odds per point of
    stance difference. Of the panel: `anchor_value` (A,) index into values, `anchor_embedding` (A, D),
    `anchor_intensity`, `anchor_utility`, `anchor_stance` (A,) the last out-of-fold; `anchor_id`, `anchor_text`.
    `slope`, `intercept` (V,) map utility to intensity; `error` (5,) the log-sd model; `quantile` the conformal factor.
    """

    encoder: str
    values: tuple[str, ...]
    mean: Floats
    scale: Floats
    stance: Floats
    stance_bias: Floats
    relevance: Floats
    relevance_bias: Floats
    sharpness: float
    anchor_value: Ints
    anchor_embedding: Floats
    anchor_intensity: Floats
    anchor_utility: Floats
    anchor_stance: Floats
    anchor_id: tuple[str, ...]
    anchor_text: tuple[str, ...]
    slope: Floats
    intercept: Floats
    error: Floats
    quantile: float
    vidb: str
    provisional: bool
    version: str = ""


_HALF = {"anchor_embedding", "stance", "relevance"}


def save(gauge: Gauge, folder: Path) -> Gauge:
    """Write the folder and return the gauge with its version, a hash of everything in it."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays, rest = dict[str, Any](), dict[str, Any]()
    for field in fields(gauge):
        value = getattr(gauge, field.name)
        if isinstance(value, np.ndarray):
            arrays[field.name] = value.astype(np.float16) if field.name in _HALF else value
        elif field.name != "version":
            rest[field.name] = value
    np.savez_compressed(folder / "gauge.npz", **arrays)
    digest = hashlib.sha256((folder / "gauge.npz").read_bytes())
    digest.update(json.dumps(rest, sort_keys=True).encode())
    rest |= {"version": digest.hexdigest()[:12], "sha256": _sha256(folder / "gauge.npz")}
    (folder / "gauge.json").write_text(json.dumps(rest, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return load(folder)


def load(folder: Path) -> Gauge:
    """Read a folder that `save` wrote. Raises BrokenGauge when a part is missing or does not have its checksum."""
    try:
        rest = json.loads((folder / "gauge.json").read_text("utf-8"))
        if _sha256(folder / "gauge.npz") != rest.pop("sha256"):
            raise BrokenGauge(f"{folder}/gauge.npz does not have the checksum of gauge.json")
        with np.load(folder / "gauge.npz", allow_pickle=False) as stored:
            arrays: dict[str, Any] = {
                k: stored[k].astype(np.float64 if stored[k].dtype.kind == "f" else np.int64) for k in stored
            }
        texts: dict[str, Any] = {k: tuple(rest.pop(k)) for k in ("values", "anchor_id", "anchor_text")}
        return Gauge(**arrays, **texts, **rest)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise BrokenGauge(f"{folder}: {error}") from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
