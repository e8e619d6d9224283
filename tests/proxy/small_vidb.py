"""A small part of the shipped VIDB in a folder of its own, for commands that would take minutes on all of it."""

import shutil
from pathlib import Path

from anchors.values import DATA
from anchors.vidb.manifest import write_manifest
from anchors.vidb.texts import read_jsonl, read_texts, write_jsonl, write_texts

VIDB = DATA / "vidb"


def write_small_vidb(folder: Path) -> None:
    """Every 24th text of the panel, every 20th of calibration, all topics, no statements."""
    texts, every = read_texts(VIDB), {"panel": 24, "calibration": 20}
    kept = {t.id: t for number, t in enumerate(texts.values()) if number % every.get(t.split, len(texts)) == 0}
    write_texts(folder, kept.values())
    shutil.copy(VIDB / "topics.jsonl", folder)
    rows = (row for _, row in read_jsonl(VIDB / "intensities.jsonl") if row["text"] in kept)
    write_jsonl(folder / "intensities.jsonl", rows)
    write_manifest(folder, {})
