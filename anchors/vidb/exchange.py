"""VIDBs in and out: one row a text and value, as CSV, JSONL or Parquet, chosen by the file's ending.

Knows tables; nothing of rankings. A table that comes in needs `text`, `value` and `intensity` alone; intensities of
unknown origin are taken as they are and keep that in their manifest.
"""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anchors.vidb.manifest import write_manifest
from anchors.vidb.scale import Intensity, read_intensities, write_intensities
from anchors.vidb.texts import SPLITS, BrokenSet, Split, VidbText, read_texts, write_jsonl, write_texts

COLUMNS = (
    "id", "value", "text", "question", "register", "topic", "writer", "level", "split", "intensity", "sd", "windows",
)  # fmt: skip
_SPLIT_OF: tuple[Split, ...] = (
    "panel",
    "panel",
    "panel",
    "panel",
    "panel",
    "steer",
    "calibration",
    "calibration",
    "test",
    "test",
)


def export(folder: Path, out: Path) -> int:
    """Write every row of a VIDB; returns their number. Raises BrokenSet on an unknown ending."""
    texts = read_texts(folder)
    rows = []
    for row in read_intensities(folder):
        text = texts.get(row.text)
        if text is None:
            continue  # ranked by its hash, the text is not ours to give
        rows.append(
            {
                "id": text.id, "value": row.value, "text": text.text, "question": text.question,
                "register": text.register, "topic": text.topic, "writer": text.writer,
                "level": text.levels.get(row.value), "split": text.split, "intensity": row.intensity, "sd": row.sd,
                "windows": row.windows,
            }
        )  # fmt: skip
    match out.suffix:
        case ".jsonl":
            write_jsonl(out, rows)
        case ".csv":
            with out.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)
        case ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(rows), out)
        case other:
            raise BrokenSet(f"{out}: unknown ending '{other}', known are .jsonl, .csv and .parquet")
    return len(rows)


def import_table(table: Path, folder: Path) -> int:
    """Make a VIDB folder from a table with text, value and intensity; returns the number of rows.

    Texts without a topic are a topic each; topics without a split are dealt out by a hash of their name.
    Raises BrokenSet naming file, row and field.
    """
    texts: dict[str, VidbText] = {}
    rows, splits = [], dict[str, Split]()
    for number, row in enumerate(_read(table), start=1):
        place = f"{table}: row {number}"
        for key in ("text", "value"):
            if not isinstance(row.get(key), str) or not row[key].strip():
                raise BrokenSet(f"{place}: {key}: missing or empty")
        try:
            intensity = float(row["intensity"])
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenSet(f"{place}: intensity: not a number") from error
        if not -10 <= intensity <= 10:
            raise BrokenSet(f"{place}: intensity: {intensity:g} is not in [-10, 10]")
        key = row.get("id") or "i" + hashlib.sha256(row["text"].encode()).hexdigest()[:12]
        topic = row.get("topic") or key
        if (named := row.get("split") or _split(topic)) not in SPLITS:
            raise BrokenSet(f"{place}: split: expected one of {', '.join(SPLITS)}, found {named!r}")
        split = splits.setdefault(topic, named)
        before = texts.get(key)
        values = (*(before.values if before else ()), row["value"])
        texts[key] = VidbText(
            key, row.get("register") or "statement", topic, split, row["text"], values, row.get("writer") or "imported",
            row.get("question") or "",
        )  # fmt: skip
        rows.append(Intensity(key, row["value"], intensity, intensity, float(row.get("sd") or 1.0), 1.0, 0))
    if not rows:
        raise BrokenSet(f"{table}: no rows")
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "topics.jsonl", ({"topic": t, "split": s} for t, s in splits.items()))
    write_texts(folder, texts.values())
    write_intensities(folder, rows)
    write_manifest(folder, {"source": table.name, "licence": "of its source", "intensities": "taken as they were"})
    return len(rows)


def _split(topic: str) -> Split:
    return _SPLIT_OF[int(hashlib.sha256(topic.encode()).hexdigest(), 16) % len(_SPLIT_OF)]


def _read(table: Path) -> Iterator[Mapping[str, Any]]:
    try:
        match table.suffix:
            case ".jsonl":
                with table.open(encoding="utf-8") as file:
                    yield from (json.loads(line) for line in file if line.strip())
            case ".csv":
                with table.open(encoding="utf-8", newline="") as file:
                    yield from csv.DictReader(file)
            case ".parquet":
                import pyarrow.parquet as pq

                yield from pq.read_table(table).to_pylist()
            case other:
                raise BrokenSet(f"{table}: unknown ending '{other}', known are .jsonl, .csv and .parquet")
    except (OSError, ValueError) as error:
        if isinstance(error, BrokenSet):
            raise
        raise BrokenSet(f"{table}: {error}") from error
