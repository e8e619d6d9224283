"""Where JSON names what an upstream keeps: responses, conversations, files, vector stores, prompts, containers.

Knows the members that hold such ids, in requests and in replies; nothing of one API. An id that an upstream keeps is
good for everyone who shares its key, so without a seal none may be named, and with one they are opened on their way
in and closed on their way out. Items of a conversation and skills are named for their owner as they are.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from proxy.wires.document import Document
from proxy.wires.parts import reply_document
from proxy.wires.seal import Seal
from proxy.wires.sse import Event

_IDS = frozenset({
    "previous_response_id", "conversation_id", "file_id", "file_ids", "vector_store_id", "vector_store_ids",
    "container_id",
})  # fmt: skip
_NAMED = frozenset({"conversation", "container"})
"""Members that are an id, or an object that has one."""
_HOLDERS = _NAMED | {"prompt"}
"""Members that may be an object that has one."""
_OBJECTS = frozenset({"response", "conversation", "file", "vector_store", "container", "prompt"})
"""What calls itself one of these has its own id."""
_REFERENCES = frozenset({"item_reference", "container_reference", "skill_reference"})
_FREE = frozenset({
    "parameters", "schema", "input_schema", "input", "arguments", "metadata", "attributes", "variables", "headers",
    "env",
})  # fmt: skip
"""Members whose keys are the client's own; as a request's own member, `input` is what it asks."""


class Kept(NamedTuple):
    """A place that names what is kept, from the root down; `sealed` where it is an id that tenants see sealed."""

    place: tuple[str | int, ...]
    sealed: bool = True

    @property
    def param(self) -> str:
        """The place as errors name it, such as `tools[0].vector_store_ids`."""
        steps = self.place[:-1] if self.place and isinstance(self.place[-1], int) and self.sealed else self.place
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def kept(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[Kept]:
    """Every such place in parsed JSON, in order."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from kept(item, (*at, index))
    if not isinstance(value, dict):
        return
    if isinstance(value.get("type"), str) and value["type"] in _REFERENCES:
        yield Kept(at, sealed=False)
    if isinstance(value.get("object"), str) and value["object"] in _OBJECTS and value.get("id"):
        yield Kept((*at, "id"))
    for key, item in value.items():
        place = (*at, key)
        if key in _IDS and isinstance(item, list):
            yield from (Kept((*place, index)) for index, _ in enumerate(item))
        elif (key in _IDS and item) or (key in _NAMED and isinstance(item, str) and item):
            yield Kept(place)
        elif key == "skill_id" and item:
            yield Kept(place, sealed=False)
        elif key not in _FREE or place == ("input",):
            if key in _HOLDERS and isinstance(item, dict) and item.get("id") and item.get("object") not in _OBJECTS:
                yield Kept((*place, "id"))
            yield from kept(item, place)


def opened(document: Document, seal: Seal) -> Document:
    """A request's document with the upstream's ids.

    Raises ApiError 404 naming the member with an id that this tenant was not given.
    """
    for found in kept(document.root.value):
        if found.sealed:
            node = document.at(found.place)
            document.replace(node, seal.open(node.value, found.param))
    return Document(document.edited())


def close(document: Document, seal: Seal) -> None:
    """Edit a reply's document so that the tenant sees its ids sealed."""
    for found in kept(document.root.value):
        node = document.at(found.place)
        if found.sealed and isinstance(node.value, str):
            document.replace(node, seal.close(node.value))


def closed(event: Event, data: dict[str, Any], seal: Seal | None) -> Event:
    """A streamed event, which says `data`, with its ids sealed. Raises ApiError 502."""
    if seal is None or next(kept(data), None) is None:
        return event
    document = reply_document(event.data)
    close(document, seal)
    edited = document.edited()
    return Event(event.carrying(edited), edited)
