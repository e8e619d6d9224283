"""The wire of `/v1/responses`, and its requests: a lens over OpenAI's Responses JSON.

Knows where this API keeps the system text, the feedback slot and what it stores. Knows nothing of policies, scores or
upstreams; other members pass untouched. The steering joins each turn's own `instructions`, since those do not carry
over to the next turn.
"""

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.lens import RequestLens, first_text
from proxy.wires.parts import (
    JSON_FORMATS,
    SYSTEM_ROLES,
    check_turns,
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
        typed(document, "previous_response_id", str)
        self._store = False
        instructions = typed(document, "instructions", str)
        typed(document, "tools", list)
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
        bare = (i for i, item in enumerate(turns) if "role" not in item and item.get("type") is None)
        # an item with an id alone is a reference, too
        self._state = self._state or next((f"input[{index}]" for index in bare), None)

    def isolate(self, seal: Seal | None) -> None:
        """As of any request; what nobody could use again is not stored."""
        super().isolate(seal)
        self._store = seal is not None

    def _add(self, instruction: Instruction, choices: int | None, streamed: Streamed) -> None:
        document = self._document
        if not self._store and document.get("store") is not False:
            document.set("store", False)
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


RESPONSES = Wire("responses", ResponsesRequest, ResponsesReply, turns="input", stream=ResponsesStream)
