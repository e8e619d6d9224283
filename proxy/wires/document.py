"""A JSON object whose bytes are kept: values can be read by key, and edited without touching any other byte.

Knows JSON; nothing of the APIs that speak it. Numbers, escapes, key order and white space of everything that is not
edited reach the upstream as the client wrote them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NoReturn

_SPACE = " \t\n\r"


class InvalidJSON(ValueError):
    """The text is not one JSON object, or cannot be edited safely."""


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJSON(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidJSON("a key occurs twice in one object")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)


@dataclass(frozen=True, slots=True)
class Node:
    """A parsed value and where its text lies: `[start, end)` in characters; a member's key begins at `key_start`."""

    value: Any
    start: int
    end: int
    key_start: int = -1


class Document:
    """One JSON object. Raises InvalidJSON on anything else.

    Refused, too, at any depth: a key that occurs twice, NaN and infinities, half a surrogate pair, excessive nesting.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        try:
            self.text = raw.decode("utf-8")
            self.root = _node(self.text, _skip(self.text, 0))
            if _skip(self.text, self.root.end) != len(self.text):
                raise InvalidJSON("text after the JSON object")
            if "\\ud" in self.text.lower():
                _dump(self.root.value).encode()
        except UnicodeDecodeError as error:
            raise InvalidJSON("not UTF-8") from error
        except UnicodeEncodeError as error:
            raise InvalidJSON("half a surrogate pair in a string") from error
        except RecursionError as error:
            raise InvalidJSON("nested too deeply") from error
        except InvalidJSON:
            raise
        except (ValueError, IndexError) as error:
            raise InvalidJSON(str(error)) from error
        if not isinstance(self.root.value, dict):
            raise InvalidJSON("expected a JSON object")
        self.fields = self.members(self.root)
        self._edits: list[tuple[int, int, str]] = []
        self._left = len(self.fields)

    def get(self, key: str) -> Any:
        """The parsed value of a top-level key, None when absent."""
        node = self.fields.get(key)
        return None if node is None else node.value

    def members(self, node: Node) -> dict[str, Node]:
        """The members of an object node, each with its place."""
        found: dict[str, Node] = {}
        at = _skip(self.text, node.start + 1)
        while self.text[at] != "}":
            key_start = at
            key, at = scanstring(self.text, at + 1, True)
            found[key] = value = _node(self.text, _skip(self.text, _skip(self.text, at) + 1), key_start)
            at = self._after(value)
        return found

    def items(self, node: Node) -> Iterator[Node]:
        """The items of an array node, each with its place."""
        at = _skip(self.text, node.start + 1)
        while self.text[at] != "]":
            item = _node(self.text, at)
            yield item
            at = self._after(item)

    def _after(self, node: Node) -> int:
        at = _skip(self.text, node.end)
        return _skip(self.text, at + 1) if self.text[at] == "," else at

    def at(self, place: Sequence[str | int]) -> Node:
        """The node at the end of these keys and indices, from the root down."""
        node = self.root
        for step in place:
            node = self.members(node)[step] if isinstance(step, str) else next(islice(self.items(node), step, None))
        return node

    def replace(self, node: Node, value: Any) -> None:
        """Put `value` where the node is."""
        self._edits.append((node.start, node.end, _dump(value)))

    def splice(self, node: Node, text: str) -> None:
        """Put JSON text where the node is."""
        self._edits.append((node.start, node.end, text))

    def append(self, array: Node, value: Any) -> None:
        """Add `value` as the array's last item."""
        comma = "," if array.value else ""
        self._edits.append((array.end - 1, array.end - 1, comma + _dump(value)))

    def prepend(self, array: Node, value: Any) -> None:
        """Add `value` as the array's first item."""
        comma = "," if array.value else ""
        self._edits.append((array.start + 1, array.start + 1, _dump(value) + comma))

    def set(self, key: str, value: Any) -> None:
        """Replace or add a top-level member."""
        if key in self.fields:
            self.replace(self.fields[key], value)
        else:
            comma = "," if self._left else ""
            self._left += 1
            self._edits.append((self.root.end - 1, self.root.end - 1, f"{comma}{_dump(key)}:{_dump(value)}"))

    def remove(self, key: str) -> None:
        """Take a top-level member out, with one comma beside it."""
        node = self.fields[key]
        start, end = node.key_start, self._after(node)
        if self.text[end] == "}":
            end = node.end
            before = self.text[:start].rstrip(_SPACE)
            start = len(before) - before.endswith(",")
        self._edits.append((start, end, ""))
        self._left -= 1

    def edited(self) -> bytes:
        """The document with all edits so far; they are forgotten, so each attempt starts from the original."""
        if not self._edits:
            return self.raw
        parts, at = [], 0
        for start, end, text in sorted(self._edits, key=lambda edit: edit[0]):
            parts += [self.text[at:start], text]
            at = end
        self._edits.clear()
        self._left = len(self.fields)
        return "".join([*parts, self.text[at:]]).encode()


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _node(text: str, at: int, key_start: int = -1) -> Node:
    value, end = _DECODER.raw_decode(text, at)
    return Node(value, at, end, key_start)
