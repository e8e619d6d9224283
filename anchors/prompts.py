"""Prompts with labels of the values that an answer to them has occasion to take a stance on.

Knows the file that ships with the product and its form; nothing of what reads the prompts. Three writers made 240 each
without seeing one another's, 20 of every kind of task, half of them without any value; the third writer's are the test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anchors.values import DATA, catalogue
from anchors.vidb.texts import BrokenSet, read_jsonl

PROMPTS = DATA / "gate" / "prompts.jsonl"
SHORT = 400
"""Characters of a question that small models do not lose."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that ends with the user's turn. Values that are in neither list are in doubt."""

    id: str
    split: Literal["train", "test"]
    writer: int
    kind: str
    applies: frozenset[str]
    not_applies: frozenset[str]
    messages: Sequence[Mapping[str, str]]

    @property
    def laden(self) -> bool:
        """Whether an answer takes a stance on any value; if not, all values are ruled out."""
        return bool(self.applies)


def read_prompts(path: Path = PROMPTS) -> list[Prompt]:
    """All prompts in order. Raises BrokenSet, naming file and line."""
    found = []
    for number, row in read_jsonl(path):
        try:
            prompt = Prompt(
                row["id"], row["split"], row["writer"], row["kind"], frozenset(row["applies"]), frozenset(row["not"]),
                row["messages"],
            )  # fmt: skip
        except (KeyError, TypeError) as error:
            raise BrokenSet(f"{path}:{number}: {error!r}") from error
        if unknown := (prompt.applies | prompt.not_applies) - set(catalogue()):
            raise BrokenSet(f"{path}:{number}: unknown values: {', '.join(sorted(unknown))}")
        if prompt.applies & prompt.not_applies:
            raise BrokenSet(f"{path}:{number}: a value both applies and does not")
        found.append(prompt)
    return found


def plain_questions() -> list[Prompt]:
    """Short conversations of one turn on which an answer takes a stance; none of the test writer's."""
    laden = (p for p in read_prompts() if p.split == "train" and p.laden and len(p.messages) == 1)
    return [p for p in laden if len(p.messages[0]["content"]) < SHORT]
