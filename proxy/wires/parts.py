"""What the wires share: reading typed members, the text of content parts, and writing server-sent events.

Knows JSON and the likeness of the APIs; nothing that only one of them has.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from proxy.errors import ApiError
from proxy.wires.document import Document, InvalidJSON
from proxy.wires.sse import Event
from proxy.wires.wire import Answer

# tuples, since what is looked up in them comes from outside and may not be hashable
SYSTEM_ROLES = ("system", "developer")
JSON_FORMATS = ("json_object", "json_schema")
_THINK = re.compile(r"\s*<(think|thinking)>")
_CHARACTERS_A_TOKEN = 4
_NAMES = {str: "a string", bool: "a boolean", dict: "an object", list: "an array", int: "an integer"}


def request_document(raw: bytes) -> Document:
    """A client's body. Raises ApiError 400."""
    try:
        return Document(raw)
    except InvalidJSON as error:
        raise ApiError.bad_request(f"The body is not valid JSON: {error}", code="invalid_json") from error


def reply_document(raw: bytes) -> Document:
    """An upstream's body. Raises ApiError 502."""
    try:
        return Document(raw)
    except InvalidJSON as error:
        raise ApiError.upstream("The upstream's answer is not JSON.") from error


def typed(document: Document, key: str, kind: type, required: bool = False) -> Any:
    """A member of that type, None when it is absent or null. Raises ApiError 400."""
    value = document.get(key)
    if value is None:
        if required:
            raise ApiError.bad_request(f"You must provide '{key}'.", param=key)
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ApiError.bad_request(f"'{key}' must be {_NAMES[kind]}.", param=key)
    return value


def check_turns(turns: list[Any], key: str, role: bool = True) -> None:
    """Raises ApiError 400 unless there are turns, each an object and, where wanted, with a role."""
    if not turns:
        raise ApiError.bad_request(f"'{key}' must hold at least one message.", param=key)
    for index, turn in enumerate(turns):
        if not isinstance(turn, dict) or not isinstance(turn.get("role"), str if role else str | None):
            raise ApiError.bad_request("Every message is an object with a role.", param=f"{key}[{index}].role")


def text_of(content: Any) -> str:
    """A message's text: a string, or the text parts of a list; other parts carry none."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str))
    return ""


def listed(value: Mapping[str, Any], key: str) -> list[Any]:
    """A member that is a list; empty for anything else."""
    found = value.get(key)
    return found if isinstance(found, list) else []


def pieces(text: str, words: int = 4) -> Iterator[str]:
    """The text cut after every few spaces; joined again it is the same."""
    start, spaces = 0, 0
    for at, character in enumerate(text):
        spaces += character == " "
        if spaces == words:
            yield text[start : at + 1]
            start, spaces = at + 1, 0
    if start < len(text):
        yield text[start:]


def counts(usage: Mapping[str, Any], *keys: str) -> int:
    """The sum of some members of a usage object; what is no number of tokens counts 0."""
    return sum(value for key in keys if isinstance(value := usage.get(key), int) and value >= 0)


def event_object(event: Event) -> dict[str, Any]:
    """What a streamed event says. Raises ApiError 502 when it is not a JSON object."""
    try:
        data = json.loads(event.data.decode("utf-8", "surrogatepass"))  # of bytes it would guess the encoding first
    except (ValueError, RecursionError) as error:
        raise ApiError.upstream("The upstream's stream holds what is not JSON.") from error
    if not isinstance(data, dict):
        raise ApiError.upstream("The upstream's stream holds what is no event.")
    return data


def object_within(event: Event, key: str) -> bytes:
    """The bytes of the event's member `key`. Raises ApiError 502."""
    document = reply_document(event.data)
    node = document.fields[key]
    return document.text[node.start : node.end].encode()


def edited_within(event: Event, key: str, edit: Callable[[bytes], bytes]) -> bytes:
    """The event with the bytes of its member `key` edited. Raises ApiError 502."""
    document = reply_document(event.data)
    node = document.fields[key]
    document.splice(node, edit(document.text[node.start : node.end].encode()).decode())
    return event.carrying(document.edited())


def whole(text: str) -> str:
    """The text with surrogate pairs that events cut in two put together, and lone halves replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def guessed_tokens(answers: Sequence[Answer]) -> int:
    """About how many tokens these are, for a stream that was broken off, or whose upstream does not say."""
    return sum(len(answer.text) for answer in answers) // _CHARACTERS_A_TOKEN


def usage_of(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """The upstream's usage object, empty where it gives none."""
    usage = reply.get("usage")
    return usage if isinstance(usage, dict) else {}


def summed(usages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Usage objects added up, number by number; what is no number is the last one's."""
    total: dict[str, Any] = {}
    for usage in usages:
        for key, value in usage.items():
            before = total.get(key)
            if isinstance(value, dict) and isinstance(before, dict):
                total[key] = summed([before, value])
            elif _is_number(value) and _is_number(before):
                total[key] = before + value
            elif value is not None or before is None:
                total[key] = value
    return total


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def leaves(text: str) -> str:
    """The strings in a JSON text, a line each; a text that is no JSON is taken as it is."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    found: list[str] = []
    left = [value]
    while left:
        node = left.pop()
        if isinstance(node, str):
            found.append(node)
        elif isinstance(node, list | dict):
            left.extend(reversed(node if isinstance(node, list) else list(node.values())))
    return "\n".join(found)


def without_thinking(text: str) -> str:
    """The answer after reasoning that some servers leave in its text; empty when it is reasoning to the end."""
    begun = _THINK.match(text)
    if begun is None:
        return text
    end = text.find(f"</{begun[1]}>", begun.end())
    return "" if end < 0 else text[end + len(begun[1]) + 3 :].lstrip()


def event(data: dict[str, Any], name: str = "") -> bytes:
    """One server-sent event, with its name where the API gives one."""
    line = b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    return f"event: {name}\n".encode() + line if name else line
