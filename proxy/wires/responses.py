"""The wire of `/v1/responses`, and its requests: a lens over OpenAI's Responses JSON.

Knows where this API keeps the system text, the feedback slot and what it stores. Knows nothing of policies, scores or
upstreams; other members pass untouched. The steering joins each turn's own `instructions`, since those do not carry
over to the next turn.
"""

from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.document import Node
from proxy.wires.parts import (
    JSON_FORMATS,
    SYSTEM_ROLES,
    check_turns,
    request_document,
    stateful,
    text_of,
    typed,
)
from proxy.wires.responses_reply import ResponsesReply
from proxy.wires.responses_stream import ResponsesStream
from proxy.wires.seal import Seal
from proxy.wires.wire import Streamed, Wire

_STATE = ("previous_response_id", "conversation", "prompt", "store", "background")
_FORBID_A_WINDOW = ("tools", "background", "top_logprobs")
_LOGPROBS = "message.output_text.logprobs"


class ResponsesRequest:
    """A client's request for a response. Raises ApiError 400 naming the parameter that is wrong."""

    include_usage = True

    def __init__(self, raw: bytes) -> None:
        self._document = document = request_document(raw)
        self.model: str = typed(document, "model", str, required=True)
        self.stream = bool(typed(document, "stream", bool))
        text = document.get("text")
        form = text.get("format") if isinstance(text, dict) else None
        self.structured = isinstance(form, dict) and form.get("type") in JSON_FORMATS
        self._previous = typed(document, "previous_response_id", str)
        self._store = False
        typed(document, "instructions", str)
        tools = typed(document, "tools", list) or []
        self._input = document.get("input")
        if self._input is None:
            raise ApiError.bad_request("You must provide 'input'.", param="input")
        if not isinstance(self._input, str | list):
            raise ApiError.bad_request("'input' must be a string or an array.", param="input")
        if isinstance(self._input, list):
            check_turns(self._input, "input", role=False)
            for index, item in enumerate(self._input):
                if not isinstance(item.get("role", ""), str) or not isinstance(item.get("type"), str | None):
                    message = "An item's role and type are strings."
                    raise ApiError.bad_request(message, param=f"input[{index}].type")
        self._state = next((key for key in _STATE if document.get(key)), None)
        self._state = self._state or _reference(self._input) or stateful(tools, "tools")

    def isolate(self, seal: Seal | None) -> None:
        """Without a seal nothing that the upstream keeps may be named (400); with one, ids are opened (404)."""
        if seal is None and self._state is not None:
            raise ApiError.stateful(self._state)
        self._store = seal is not None
        if seal is not None and self._previous is not None:
            self._previous = seal.open(self._previous, "previous_response_id")

    @property
    def windowable(self) -> bool:
        """Not with tools, JSON, log-probabilities or work in the background."""
        include = self.member("include")
        logprobs = isinstance(include, list) and _LOGPROBS in include
        return not (self.structured or logprobs or any(self.member(key) for key in _FORBID_A_WINDOW))

    @property
    def question(self) -> str:
        """The text of the last user item, empty when there is none."""
        if isinstance(self._input, str):
            return self._input
        return next((text_of(i.get("content")) for i in reversed(self._input) if i.get("role") == "user"), "")

    @property
    def first_texts(self) -> str:
        """Instructions or first system text, and first user text."""
        if isinstance(self._input, str):
            return f"{self.member('instructions') or ''}\n{self._input}"
        system = next((text_of(i.get("content")) for i in self._input if i.get("role") in SYSTEM_ROLES), "")
        user = next((text_of(i.get("content")) for i in self._input if i.get("role") == "user"), "")
        return f"{self.member('instructions') or system}\n{user}"

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        return self._document.get(key)

    def body(
        self, model: str, instruction: Instruction | None = None, choices: int | None = None, streamed: Streamed = "no"
    ) -> bytes:
        """The request for an upstream, made from the original bytes; nothing is stored where nobody could use it."""
        document = self._document
        if document.get("model") != model:
            document.set("model", model)
        if streamed == "no" and document.get("stream"):
            document.set("stream", False)
            if "stream_options" in document.fields:
                document.remove("stream_options")
        if not self._store and document.get("store") is not False:
            document.set("store", False)
        if self._previous is not None and self._previous != document.get("previous_response_id"):
            document.set("previous_response_id", self._previous)
        if instruction is not None and instruction.system:
            self._join_system(instruction.system)
        if instruction is not None and instruction.feedback:
            self._ask_again(instruction.feedback)
        return document.edited()

    def _join_system(self, block: str) -> None:
        """Last in the instructions, else in the first system or developer item; else it becomes the instructions."""
        document = self._document
        instructions = document.get("instructions")
        if instructions:
            document.set("instructions", f"{instructions}\n\n{block}")
            return
        if isinstance(self._input, list):
            for node in document.items(document.fields["input"]):
                content = document.members(node).get("content")
                if node.value.get("role") in SYSTEM_ROLES and content and isinstance(content.value, str | list):
                    self._extend(content, block)
                    return
        document.set("instructions", block)

    def _extend(self, content: Node, block: str) -> None:
        if isinstance(content.value, str):
            self._document.replace(content, f"{content.value}\n\n{block}" if content.value else block)
        else:
            self._document.append(content, {"type": "input_text", "text": block})

    def _ask_again(self, feedback: str) -> None:
        node = self._document.fields["input"]
        turn = {"role": "user", "content": feedback}
        if isinstance(self._input, str):
            self._document.replace(node, [{"role": "user", "content": self._input}, turn])
        elif self._input[-1].get("role") == "user":
            self._document.append(node, turn)


def _reference(input_: Any) -> str | None:
    """Where an input item names what is kept; one with an id alone is such a reference, too."""
    if isinstance(input_, list):
        for index, item in enumerate(input_):
            if "role" not in item and item.get("type") is None:
                return f"input[{index}]"
    return stateful(input_, "input")


RESPONSES = Wire("responses", ResponsesRequest, ResponsesReply, turns="input", stream=ResponsesStream)
