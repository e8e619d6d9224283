"""The 32 values in four theories: ids, definitions and the words that describe each of them.

Knows nothing of texts, scores or models: `Catalogue` is read once from `data/values.yaml` (or a user's own
file of the same form) and handed to whoever needs it.

Sources: Schwartz 1992 and 2012; Haidt and Graham 2007, Iyer et al. 2012; Ross 1930; Vasak 1977. The wording is ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML

DATA = Path(__file__).parent / "data"
GAUGE = DATA / "gauge"
"""The local gauge that ships with the product."""

Strength = Literal["faint", "mild", "strong", "utmost"]
STRENGTHS: tuple[Strength, ...] = ("faint", "mild", "strong", "utmost")


class UnknownValue(ValueError):
    """A name that is no value's id and no unique bare name."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """How to ask a model for a value in words: four rungs for it and four against it, weakest first."""

    favour: tuple[str, ...]
    against: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """One human value.

    `id` is `theory/name`; `definition` and `paraphrases` are sentence fragments of at most 25 words;
    `supports` and `opposes` list concrete signs of stance; `criteria` maps a short name to a sub-value's definition.
    """

    id: str
    theory: str
    groups: tuple[str, ...]
    definition: str
    paraphrases: tuple[str, ...]
    about: str
    supports: tuple[str, ...]
    opposes: tuple[str, ...]
    near_misses: tuple[str, ...]
    criteria: Mapping[str, str]
    ladder: Ladder

    @property
    def name(self) -> str:
        """The id without its theory: `benevolence`."""
        return self.id.partition("/")[2]


class Catalogue(Mapping[str, Value]):
    """Values by id, in the file's order; `resolve` also takes unique bare names."""

    def __init__(self, values: list[Value]) -> None:
        self._by_id = {v.id: v for v in values}
        bare: dict[str, list[str]] = {}
        for v in values:
            bare.setdefault(v.name, []).append(v.id)
        self._by_name = {name: ids[0] for name, ids in bare.items() if len(ids) == 1}

    def __getitem__(self, key: str) -> Value:
        return self._by_id[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def resolve(self, name: str) -> Value:
        """The value called `name` (`svt/benevolence` or `benevolence`). Raises UnknownValue with near names."""
        key = name.strip().lower()
        found = self._by_id.get(self._by_name.get(key, key))
        if found is None:
            near = get_close_matches(key, [*self._by_name, *self._by_id], n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UnknownValue(f"unknown value '{name}'{hint}")
        return found


def load(path: Path) -> Catalogue:
    """Read a values file. Raises ValueError naming the value and the field that is wrong."""
    raw = YAML(typ="safe").load(path.read_text("utf-8"))
    if not isinstance(raw, dict) or not raw:
        raise ValueError(f"{path}: expected a mapping of value ids")
    values = []
    for key, card in raw.items():
        try:
            values.append(_value(str(key), card))
        except ValueError as error:
            raise ValueError(f"{path}: value '{key}': {error}") from error
    return Catalogue(values)


def _value(key: str, card: Mapping[str, object]) -> Value:
    """A value from its card: `definition` is needed; what a user's own value leaves out is made from it."""
    theory, slash, name = key.partition("/")
    if not (theory and slash and name):
        raise ValueError("an id has the form theory/name")
    if not isinstance(card, Mapping) or not isinstance(card.get("definition"), str) or not card["definition"]:
        raise ValueError("definition: missing or no text")
    definition = str(card["definition"])

    def words(field: str) -> tuple[str, ...]:
        items = card.get(field, [])
        if not isinstance(items, list):
            raise ValueError(f"{field}: must be a list")
        return tuple(str(item) for item in items)

    criteria = card.get("criteria", {})
    if not isinstance(criteria, Mapping):
        raise ValueError("criteria: must be a mapping")
    return Value(
        id=key,
        theory=theory,
        groups=words("groups"),
        definition=definition,
        paraphrases=words("paraphrases"),
        about=str(card.get("about", definition)),
        supports=words("supports") or (f"Speaks for {definition}.",),
        opposes=words("opposes") or (f"Speaks against {definition}.",),
        near_misses=words("near_misses"),
        criteria={str(k): str(v) for k, v in criteria.items()},
        ladder=_ladder(card.get("ladder"), definition),
    )


def _ladder(card: object, definition: str) -> Ladder:
    if card is None:
        return Ladder(
            favour=tuple(f"You {verb}: {definition}." for verb in _FAVOUR),
            against=tuple(f"You {verb}: {definition}." for verb in _AGAINST),
        )
    if not isinstance(card, Mapping):
        raise ValueError("ladder: must be a mapping")
    rungs = {}
    for side in ("for", "against"):
        words = card.get(side)
        if not isinstance(words, Mapping) or not all(isinstance(words.get(s), str) for s in STRENGTHS):
            raise ValueError(f"ladder.{side}: needs {', '.join(STRENGTHS)}")
        rungs[side] = tuple(str(words[s]) for s in STRENGTHS)
    return Ladder(rungs["for"], rungs["against"])


_FAVOUR = (
    "lean very slightly towards this",
    "think this is good, though other things can outweigh it",
    "give this great weight, and few things outweigh it",
    "put this above all else",
)
_AGAINST = (
    "are slightly cool towards this",
    "would readily trade this away",
    "see this mostly as a mistake",
    "have no use for this at all, and other things always come first",
)


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with the product."""
    return load(DATA / "values.yaml")
