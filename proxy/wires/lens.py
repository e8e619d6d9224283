"""What the lenses over all APIs' JSON share: a request around its document, and a reply around its own.

Knows the likeness of the APIs; what only one of them has is in that one's file.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.document import Document, Node
from proxy.wires.kept import close, kept, opened
from proxy.wires.parts import SYSTEM_ROLES, counts, reply_document, request_document, text_of, typed, usage_of
from proxy.wires.seal import Seal
from proxy.wires.wire import Shown, Streamed


class RequestLens:
    """A client's request, its bytes kept. Raises ApiError 400 naming the parameter that is wrong."""

    include_usage = True
    structured = False
    windowable = False
    question = ""
    first_texts = ""
    _state: str | None = None
    """The member that needs something kept and is no id of it."""

    def __init__(self, raw: bytes) -> None:
        self._document = request_document(raw)
        self.model: str = typed(self._document, "model", str, required=True)
        self.stream = bool(typed(self._document, "stream", bool))

    def isolate(self, seal: Seal | None) -> None:
        """Without a seal nothing that an upstream keeps may be named (400); with one, its ids are opened (404)."""
        if seal is not None:
            self._document = opened(self._document, seal)
            return
        state = self._state or next((found.param for found in kept(self._document.root.value)), None)
        if state is not None:
            raise ApiError.stateful(state)

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        return self._document.get(key)

    def body(
        self, model: str, instruction: Instruction | None = None, choices: int | None = None, streamed: Streamed = "no"
    ) -> bytes:
        """The request for an upstream, made from the original bytes.

        Only `model`, what `_add` does and, unless streamed, the stream members differ.
        """
        document = self._document
        if document.get("model") != model:
            document.set("model", model)
        if streamed == "no":
            if document.get("stream"):
                document.set("stream", False)
            if "stream_options" in document.fields:
                document.remove("stream_options")
        self._add(instruction or Instruction({}), choices, streamed)
        return document.edited()

    def _add(self, instruction: Instruction, choices: int | None, streamed: Streamed) -> None:
        """Edit what is the API's own: the system text, the tail, the number of choices."""

    def _wants_usage(self) -> bool:
        options = typed(self._document, "stream_options", dict) or {}
        return options.get("include_usage") is True

    def _join_first_system(self, turns: Node, block: str, kind: str) -> bool:
        """Put the block last in the first system or developer text, if there is one; `kind` is that of text parts."""
        document = self._document
        for node in document.items(turns):
            content = document.members(node).get("content")
            if node.value.get("role") not in SYSTEM_ROLES or content is None:
                continue
            if isinstance(content.value, str):
                document.replace(content, f"{content.value}\n\n{block}" if content.value else block)
                return True
            if isinstance(content.value, list):
                document.append(content, {"type": kind, "text": block})
                return True
        return False


class ReplyLens:
    """An upstream's reply, parsed beside its bytes, and the `headers` that came with it.

    Raises ApiError 502 when it is none of its API's; `json` is the whole of it.
    """

    counted: ClassVar[tuple[str, ...]] = ("prompt_tokens", "completion_tokens")
    """The members of its usage that add up to its tokens."""

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._document = reply_document(raw)
        self.headers = headers or {}
        self.json: dict[str, Any] = self._document.root.value

    @property
    def usage(self) -> Mapping[str, Any]:
        """The upstream's usage object, empty where it gives none."""
        return usage_of(self.json)

    @property
    def tokens(self) -> int:
        """All tokens as the upstream counts them; 0 where it does not say."""
        return counts(self.usage, *self.counted)

    def body(self, shown: Shown) -> bytes:
        """The reply for the client: the upstream's bytes but for what `shown` names."""
        return edited(self._document, shown)

    def replay(self, shown: Shown) -> Iterator[bytes]:
        """The reply as the events of a well-formed stream."""
        if shown.seal is None:
            return self._events(shown)
        # events are made anew, so what they are made of is sealed before
        sealed = type(self)(
            edited(self._document, Shown(shown.model, seal=shown.seal, instructions=shown.instructions)), self.headers
        )
        return sealed._events(replace(shown, seal=None))

    def _events(self, shown: Shown) -> Iterator[bytes]:
        raise NotImplementedError


def edited(document: Document, shown: Shown) -> bytes:
    """A reply's bytes but for the model's name, the usage, the `valueflow` object and the ids of what is kept."""
    if shown.seal is not None:
        close(document, shown.seal)
    if document.get("model") != shown.model:
        document.set("model", shown.model)
    repeated = document.get("instructions")
    if isinstance(repeated, str) and repeated != shown.instructions:
        document.set("instructions", shown.instructions)
    if shown.usage is not None:
        document.set("usage", shown.usage)
    if shown.extra is not None:
        document.set("valueflow", shown.extra)
    return document.edited()


def first_text(turns: Iterable[Mapping[str, Any]], *roles: str) -> str:
    """The text of the first turn of such a role, empty when there is none."""
    return next((text_of(turn.get("content")) for turn in turns if turn.get("role") in roles), "")
