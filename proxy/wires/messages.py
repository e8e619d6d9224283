"""The wire of `/v1/messages`: a lens over Anthropic's Messages JSON, both ways, and its shape of errors.

Knows where this API keeps the system text, the answer and the feedback slot, and which events its streams have. Knows
nothing of policies, scores or upstreams; other members of requests and replies pass untouched.
"""

from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.lens import RequestLens, first_text
from proxy.wires.messages_reply import MessagesReply
from proxy.wires.messages_stream import MessagesStream
from proxy.wires.parts import (
    check_turns,
    text_of,
    typed,
)
from proxy.wires.wire import Streamed, Wire

_FORBID_A_WINDOW = ("tools", "mcp_servers", "output_format")


class MessagesRequest(RequestLens):
    """A client's request for a message."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        document = self._document
        config = document.get("output_config")
        self.structured = bool(isinstance(config, dict) and config.get("format"))
        self.windowable = not (self.structured or any(document.get(key) for key in _FORBID_A_WINDOW))
        self.messages: list[dict[str, Any]] = typed(document, "messages", list, required=True)
        check_turns(self.messages, "messages")
        system = document.get("system")
        if not isinstance(system, str | list | None):
            raise ApiError.bad_request("'system' must be a string or an array of text blocks.", param="system")
        # turns of tool results alone say nothing
        spoken = (turn for turn in reversed(self.messages) if text_of(turn.get("content")))
        self.question = first_text(spoken, "user")
        self.first_texts = f"{text_of(system)}\n{first_text(self.messages, 'user')}"
        self._state = "container" if document.get("container") else None

    def _add(self, instruction: Instruction, choices: int | None, streamed: Streamed) -> None:
        if instruction.system:
            self._join_system(instruction.system)
        if instruction.feedback and self._last_is_the_users():
            turn = {"role": "user", "content": instruction.feedback}
            self._document.append(self._document.fields["messages"], turn)

    def _join_system(self, block: str) -> None:
        """Last in the client's system text, after what it marked for the prompt cache."""
        document, system = self._document, self._document.get("system")
        if isinstance(system, list):
            document.append(document.fields["system"], {"type": "text", "text": block})
        else:
            document.set("system", f"{system}\n\n{block}" if system else block)

    def _last_is_the_users(self) -> bool:
        last = self.messages[-1]
        blocks = last["content"] if isinstance(last.get("content"), list) else []
        tools = any(isinstance(block, dict) and block.get("type") == "tool_result" for block in blocks)
        return last["role"] == "user" and not tools


MESSAGES = Wire(
    "messages", MessagesRequest, MessagesReply, headers=("anthropic-version", "anthropic-beta"), stream=MessagesStream
)
