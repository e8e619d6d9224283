"""The texts of a VIDB and their topics, as they lie in its folder. Knows no rankings and no intensities.

`topics.jsonl`: {topic, field, split, questions}. `texts.jsonl`: {id, register, topic, question, values, writer, text}
and, where there was one, the level that its writer was asked for: {levels: {value: level}}.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Split = Literal["panel", "steer", "calibration", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Register = Literal["reply", "statement", "comment", "output", "borrowed"]
"""`output`: a small model's real reply under a steering prompt. `borrowed`: other people's text, ranked by its hash."""


class BrokenSet(ValueError):
    """A VIDB's files do not fit together; the message names file, line and what is wrong."""


@dataclass(frozen=True, slots=True)
class VidbText:
    """One text. `values` are those it is ranked for; `levels` in [-9, 9] what the writer was asked for, if anything."""

    id: str
    register: str
    topic: str
    split: Split
    text: str
    values: tuple[str, ...]
    writer: str
    question: str = ""
    levels: Mapping[str, float] = field(default_factory=dict)
    pair_of: str = ""
    brief: str = ""


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of each line. Raises BrokenSet."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise BrokenSet(f"{path}:{number}: expected an object")
                    yield number, row
    except json.JSONDecodeError as error:
        raise BrokenSet(f"{path}:{number}: not JSON: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenSet(f"{path}: {error}") from error


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One object a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_splits(folder: Path) -> dict[str, Split]:
    """The split of each topic. Raises BrokenSet when a topic is named twice or its split is unknown."""
    path, splits = folder / "topics.jsonl", dict[str, Split]()
    for number, row in read_jsonl(path):
        topic, split = row.get("topic"), row.get("split")
        if split not in SPLITS:
            raise BrokenSet(f"{path}:{number}: split: expected one of {', '.join(SPLITS)}, found {split!r}")
        if not isinstance(topic, str) or topic in splits:
            raise BrokenSet(f"{path}:{number}: topic: missing or named twice: {topic!r}")
        splits[topic] = split
    return splits


def read_texts(folder: Path) -> dict[str, VidbText]:
    """All texts by id. Raises BrokenSet naming file, line and field."""
    path, splits = folder / "texts.jsonl", read_splits(folder)
    texts: dict[str, VidbText] = {}
    for number, row in read_jsonl(path):
        for key in ("id", "register", "topic", "text", "writer"):
            if not isinstance(row.get(key), str) or not row[key]:
                raise BrokenSet(f"{path}:{number}: {key}: missing or empty")
        if row["topic"] not in splits:
            raise BrokenSet(f"{path}:{number}: topic: '{row['topic']}' is not in topics.jsonl")
        if row["id"] in texts:
            raise BrokenSet(f"{path}:{number}: id: '{row['id']}' occurs twice")
        known = {
            k: row[k] for k in ("id", "register", "topic", "text", "writer", "question", "pair_of", "brief") if k in row
        }
        texts[row["id"]] = VidbText(
            **known, split=splits[row["topic"]], values=tuple(row["values"]), levels=row.get("levels", {})
        )
    return texts


def write_texts(folder: Path, texts: Iterable[VidbText]) -> None:
    """Write `texts.jsonl`; the split stands with the topic, and empty fields are left out."""
    rows = ({k: v for k, v in asdict(text).items() if k != "split" and v} for text in texts)
    write_jsonl(folder / "texts.jsonl", rows)
