"""Public labelled sets as training examples, and as a test on what training left: which file says what of our values.

Knows the columns of those files (text, theory, value, label, split); nothing of networks. They are other people's:
ETHICS virtue, justice and deontology (MIT), IPIP (public domain), Moral Stories (MIT), MoralChoice (CC BY 4.0; never
trained on), MFRC and Touche23-ValueEval (CC BY 4.0). They are read from a folder that is not part of this repository.
"""

import csv
import gzip
import hashlib
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anchors.train.stance import Example, Label

STRONG = 5.0
"""A label of +-1 stands for so many points."""
MOST = 5_000
"""Examples in all, drawn at random: they are short and coarse, and shall not outweigh the VIDB."""
_FOUNDATIONS = {
    "care": "mft/care", "fairness": "mft/fairness", "equality": "mft/fairness", "loyalty": "mft/loyalty",
    "authority": "mft/authority", "purity": "mft/sanctity", "sanctity": "mft/sanctity", "liberty": "mft/liberty",
}  # fmt: skip


def public_examples(folder: Path, values: Sequence[str], seed: int = 3) -> list[Example]:
    """Examples from the training rows of all sets. Raises OSError when a file is missing."""
    rng = random.Random(seed)
    number = {v: n for n, v in enumerate(values)}
    found: dict[str, dict[int, Label]] = {}

    def put(row: dict[str, str], value: str, intensity: float | None, relevance: float = 1.0) -> None:
        if value in number:
            found.setdefault(row["text"], {})[number[value]] = Label(intensity, relevance)

    for name in ("ethics_virtue_mapped", "ipip_mapped"):
        for row in _rows(folder, name):
            if float(row["label"]):
                put(row, f"{row['theory']}/{row['value'].replace('_', '-')}", STRONG * float(row["label"]))
    for name, value, contains, most in (
        ("ethics_justice", "duty/justice", "", 9000),
        ("ethics_deontology", "duty/fidelity", "role", 4000),
        ("moral_stories", "duty/non-maleficence", "", 8000),
    ):
        rows = [r for r in _rows(folder, name) if contains in r["value"]]
        for row in rng.sample(rows, min(most, len(rows))):
            put(row, value, STRONG * float(row["label"]))
    short = [r for r in _rows(folder, "mfrc") if r["value"] in _FOUNDATIONS and len(r["text"].split()) < 80]
    for row in _half_and_half(short, 6000, rng):
        put(row, _FOUNDATIONS[row["value"]], None, float(row["label"]))
    arguments = [r for r in _rows(folder, "touche23_valueeval") if _schwartz(r["value"])]
    for row in _half_and_half(arguments, 8000, rng):
        put(row, _schwartz(row["value"]), None, float(row["label"]))
    examples = [Example(text, labels) for text, labels in found.items()]
    rng.shuffle(examples)
    return examples[:MOST]


def _schwartz(category: str) -> str:
    """Touche's 20 categories split some of Schwartz's values; their names begin alike."""
    name = category.replace("_", "-")
    values = (
        "benevolence", "universalism", "self-direction", "stimulation", "hedonism", "achievement", "power",
        "conformity", "tradition", "security", "face", "humility",
    )  # fmt: skip
    return next((f"svt/{v}" for v in values if name.startswith(v)), "")


def _half_and_half(rows: Sequence[dict[str, str]], count: int, rng: random.Random) -> list[dict[str, str]]:
    """Rows with the value present and rows without it, as many of each."""
    present = [r for r in rows if float(r["label"]) >= 0.5]
    absent = [r for r in rows if float(r["label"]) == 0]
    half = min(count // 2, len(present), len(absent))
    return rng.sample(present, half) + rng.sample(absent, half)


def _rows(folder: Path, name: str, *splits: str) -> Iterator[dict[str, str]]:
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from (row for row in csv.DictReader(file) if row["split"] in (splits or ("train",)))


@dataclass(frozen=True, slots=True)
class Claim:
    """What others say of a text: for a value or against it (`stance`), or speaking to it or not (`relevance`)."""

    source: str
    asks: Literal["stance", "relevance"]
    value: str
    text: str
    holds: bool


_RULES = {
    "do_not_kill": "duty/non-maleficence", "do_not_cause_pain": "duty/non-maleficence",
    "do_not_disable": "duty/non-maleficence", "keep_promises": "duty/fidelity", "do_not_deceive": "duty/fidelity",
    "do_not_deprive_of_freedom": "mft/liberty", "right_to_life": "right/civil", "right_to_liberty": "right/civil",
    "bodily_integrity": "right/civil",
}  # fmt: skip
"""MoralChoice's rules where they are one of our values; the others (obey the law, do not cheat) are near several."""


def untrained_claims(
    folder: Path, values: Sequence[str], trained: Collection[str], most: int = 150, seed: int = 5
) -> list[Claim]:
    """Claims about texts that are not among `trained`: of each set and value up to `most` that hold and that do not.

    A zero among -1, 0 and 1 says nothing and is left out. Raises OSError when a file is missing.
    """
    rng = random.Random(seed)
    sets: list[tuple[str, Literal["stance", "relevance"], Callable[[dict[str, str]], str], tuple[str, ...]]] = [
        ("ethics_justice", "stance", lambda row: "duty/justice", ()),
        ("moral_stories", "stance", lambda row: "duty/non-maleficence", ()),
        ("moralchoice", "stance", lambda row: _RULES.get(row["value"], ""), ("low_ambiguity",)),
        ("mfrc", "relevance", lambda row: _FOUNDATIONS.get(row["value"], ""), ()),
        ("touche23_valueeval", "relevance", lambda row: _schwartz(row["value"]), ("dev",)),
    ]
    found = []
    for source, asks, value_of, splits in sets:
        said: dict[tuple[str, str], bool] = {}
        for row in _rows(folder, source, *splits):
            value, label = value_of(row), float(row["label"])
            silent = label == 0 if asks == "stance" else 0 < label < 0.5
            if value in values and row["text"] not in trained and not silent:
                key = (value, row["text"])  # a value that is split in two there is present where either half is
                said[key] = said.get(key, False) or label > 0
        for value in values:
            for holds in (True, False):
                mine = [text for (v, text), s in said.items() if v == value and s == holds]
                found += [Claim(source, asks, value, text, holds) for text in rng.sample(mine, min(most, len(mine)))]
    return found


def borrowed_texts(folder: Path, listed: Mapping[str, str]) -> dict[str, str]:
    """The texts, by id, of a VIDB's borrowed rows; `listed` maps the SHA-256 of a text to its id."""
    found = {}
    for path in sorted(folder.glob("*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name = listed.get(hashlib.sha256(row["text"].encode()).hexdigest())
                if name is not None:
                    found[name] = row["text"]
    return found
