"""A VIDB's manifest: version, counts, licence, judges and a checksum of every file. Knows files, not their meaning."""

import hashlib
import json
from pathlib import Path
from typing import Any

from anchors.vidb.texts import BrokenSet

FILES = (
    "topics.jsonl", "texts.jsonl", "borrowed.jsonl", "rankings.jsonl", "intensities.jsonl", "flags.jsonl",
    "statements.jsonl",
)  # fmt: skip
NAME = "manifest.json"


def write_manifest(folder: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Write the manifest over the files that are there; its version is a hash of their checksums."""
    sums = {name: _sha256(folder / name) for name in FILES if (folder / name).exists()}
    counts = {name: (folder / name).read_bytes().count(b"\n") for name in sums}
    version = hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()[:12]
    manifest = {"version": version} | about | {"rows": counts, "sha256": sums}
    (folder / NAME).write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest. Raises BrokenSet."""
    try:
        manifest = json.loads((folder / NAME).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BrokenSet(f"{folder / NAME}: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict) or "version" not in manifest:
        raise BrokenSet(f"{folder / NAME}: version or sha256 is missing")
    return manifest


def verify(folder: Path) -> None:
    """Raises BrokenSet naming the file that is missing or changed."""
    for name, expected in read_manifest(folder)["sha256"].items():
        path = folder / name
        if not path.exists():
            raise BrokenSet(f"{path} is missing")
        if _sha256(path) != expected:
            raise BrokenSet(f"{path} is not the file of its manifest: its SHA-256 differs")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
