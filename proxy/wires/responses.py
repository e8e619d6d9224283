"""The wire of `/v1/responses`, and its requests: a lens over OpenAI's Responses JSON.

Knows where this API keeps the system text, the feedback slot and what it stores. Knows nothing of policies, scores or
upstreams; other members pass untouched. The steering joins each turn's own `instructions`, since those do not carry
over to the next turn.
"""

from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.lens import RequestLens, first_text
from proxy.wires.parts import (
    JSON_FORMATS,
    SYSTEM_ROLES,
    check_turns,
    stateful,
    typed,
)
from proxy.wires.responses_reply import ResponsesReply
from proxy.wires.responses_stream import ResponsesStream
from proxy.wires.seal import Seal
from proxy.wires.wire import Streamed, Wire

_STATE = ("previous_response_id", "conversation", "prompt", "store", "background")
_FORBID_A_WINDOW = ("tools", "background", "top_logprobs")
_LOGPROBS = "message.output_text.logprobs"


class ResponsesRequest(RequestLens):
    """A client's request for a response; nothing is stored where nobody could use it."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        document = self._document
        text, include = document.get("text"), document.get("include")
        form = text.get("format") if isinstance(text, dict) else None
        self.structured = isinstance(form, dict) and form.get("type") in JSON_FORMATS
        logprobs = isinstance(include, list) and _LOGPROBS in include
        self.windowable = not (self.structured or logprobs or any(document.get(key) for key in _FORBID_A_WINDOW))
        self._previous = typed(document, "previous_response_id", str)
        self._store = False
        instructions = typed(document, "instructions", str)
        tools = typed(document, "tools", list) or []
        self._input = document.get("input")
        if self._input is None:
            raise ApiError.bad_request("You must provide 'input'.", param="input")
        if not isinstance(self._input, str | list):
            raise ApiError.bad_request("'input' must be a string or an array.", param="input")
        turns = [{"role": "user", "content": self._input}] if isinstance(self._input, str) else self._input
        check_turns(turns, "input", role=False)
        for index, item in enumerate(turns):
            if not isinstance(item.get("role", ""), str) or not isinstance(item.get("type"), str | None):
                message = "An item's role and type are strings."
                raise ApiError.bad_request(message, param=f"input[{index}].type")
        self.question = first_text(reversed(turns), "user")
        self.first_texts = f"{instructions or first_text(turns, *SYSTEM_ROLES)}\n{first_text(turns, 'user')}"
        self._state = next((key for key in _STATE if document.get(key)), None)
        self._state = self._state or _reference(self._input) or stateful(tools, "tools")

    def isolate(self, seal: Seal | None) -> None:
        """Without a seal nothing that the upstream keeps may be named (400); with one, ids are opened (404)."""
        super().isolate(seal)
        self._store = seal is not None
        if seal is not None and self._previous is not None:
            self._previous = seal.open(self._previous, "previous_response_id")

    def _add(self, instruction: Instruction, choices: int | None, streamed: Streamed) -> None:
        document = self._document
        if not self._store and document.get("store") is not False:
            document.set("store", False)
        if self._previous is not None and self._previous != document.get("previous_response_id"):
            document.set("previous_response_id", self._previous)
        if instruction.system:
            self._join_system(instruction.system)
        if instruction.feedback:
            self._ask_again(instruction.feedback)

    def _join_system(self, block: str) -> None:
        """Last in the instructions, else in the first system or developer item; else it becomes the instructions."""
        document = self._document
        instructions = document.get("instructions")
        if instructions:
            document.set("instructions", f"{instructions}\n\n{block}")
            return
        joined = isinstance(self._input, list) and self._join_first_system(
            document.fields["input"], block, "input_text"
        )
        if not joined:
            document.set("instructions", block)

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
