"""Concepts that several theories share: care is benevolence, beneficence and non-maleficence, too.

Knows `data/concepts.yaml`: by name a definition and the values, of at least two theories, that contain it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from anchors.values import DATA

CONCEPTS = DATA / "concepts.yaml"


@dataclass(frozen=True, slots=True)
class Concept:
    """A definition, a sentence fragment, and the ids of the values that contain it."""

    name: str
    definition: str
    values: tuple[str, ...]


def read_concepts(path: Path, known: Collection[str]) -> list[Concept]:
    """All concepts. Raises ValueError naming the concept and what is wrong with it."""
    raw = YAML(typ="safe").load(path.read_text("utf-8"))
    if not isinstance(raw, dict) or not raw:
        raise ValueError(f"{path}: expected a mapping of concepts")
    found = []
    for name, card in raw.items():
        if not isinstance(card, dict) or not isinstance(card.get("definition"), str):
            raise ValueError(f"{path}: concept '{name}': definition: missing or no text")
        values = card.get("values")
        if not isinstance(values, list) or not all(value in known for value in values):
            raise ValueError(f"{path}: concept '{name}': values: expected a list of value ids, found {values!r}")
        if len({value.partition("/")[0] for value in values}) < 2:
            raise ValueError(f"{path}: concept '{name}': values: of fewer than two theories")
        found.append(Concept(str(name), card["definition"], tuple(values)))
    return found
