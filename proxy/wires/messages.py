"""The wire of `/v1/messages`: a lens over Anthropic's Messages JSON, both ways, and its shape of errors.

Knows where this API keeps the system text, the answer and the feedback slot, and which events its streams have. Knows
nothing of policies, scores or upstreams; other members of requests and replies pass untouched.
"""

from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.messages_reply import MessagesReply
from proxy.wires.messages_stream import MessagesStream
from proxy.wires.parts import (
    check_turns,
    request_document,
    stateful,
    text_of,
    typed,
)
from proxy.wires.seal import Seal
from proxy.wires.wire import Streamed, Wire

_FORBID_A_WINDOW = ("tools", "mcp_servers", "output_format")


class MessagesRequest:
    """A client's request for a message. Raises ApiError 400 naming the parameter that is wrong."""

    include_usage = True

    def __init__(self, raw: bytes) -> None:
        self._document = document = request_document(raw)
        self.model: str = typed(document, "model", str, required=True)
        self.stream = bool(typed(document, "stream", bool))
        config = document.get("output_config")
        self.structured = bool(isinstance(config, dict) and config.get("format"))
        check_turns(typed(document, "messages", list, required=True), "messages")
        system = document.get("system")
        if not isinstance(system, str | list | None):
            raise ApiError.bad_request("'system' must be a string or an array of text blocks.", param="system")
        self._state = "container" if document.get("container") else None
        self._state = self._state or stateful(self.messages, "messages") or stateful(document.get("tools"), "tools")

    def isolate(self, seal: Seal | None) -> None:
        """Containers and files are the tenant's own, or not to be named (400)."""
        if seal is None and self._state is not None:
            raise ApiError.stateful(self._state)

    @property
    def windowable(self) -> bool:
        """Not with tools or JSON."""
        return not (self.structured or any(self.member(key) for key in _FORBID_A_WINDOW))

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages as the client sent them; not to be changed."""
        messages: list[dict[str, Any]] = self._document.fields["messages"].value
        return messages

    @property
    def question(self) -> str:
        """The text of the last user message that has any, empty when there is none."""
        texts = (text_of(m.get("content")) for m in reversed(self.messages) if m["role"] == "user")
        return next((text for text in texts if text), "")

    @property
    def first_texts(self) -> str:
        """System text and first user text."""
        user = next((text_of(m.get("content")) for m in self.messages if m["role"] == "user"), "")
        return f"{text_of(self.member('system'))}\n{user}"

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        return self._document.get(key)

    def body(
        self, model: str, instruction: Instruction | None = None, choices: int | None = None, streamed: Streamed = "no"
    ) -> bytes:
        """The request for an upstream, made from the original bytes."""
        document = self._document
        if document.get("model") != model:
            document.set("model", model)
        if streamed == "no" and document.get("stream"):
            document.set("stream", False)
        if instruction is not None and instruction.system:
            self._join_system(instruction.system)
        if instruction is not None and instruction.feedback and self._last_is_the_users():
            document.append(document.fields["messages"], {"role": "user", "content": instruction.feedback})
        return document.edited()

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
