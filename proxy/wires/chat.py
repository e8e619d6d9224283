"""The wire of `/v1/chat/completions`: a lens over OpenAI's chat JSON, both ways.

Knows where this API keeps the system text, the answer and the feedback slot, and how an answer is replayed as a
stream. Knows nothing of policies, scores or upstreams; other members of requests and replies pass untouched.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.chat_stream import ChatStream, replayed
from proxy.wires.lens import ReplyLens, RequestLens, first_text
from proxy.wires.parts import (
    JSON_FORMATS,
    SYSTEM_ROLES,
    check_turns,
    pieces,
    summed,
    text_of,
    typed,
)
from proxy.wires.wire import Answer, Shown, Streamed, Wire

_FORBID_A_WINDOW = ("tools", "functions", "response_format", "logprobs", "top_logprobs", "audio")


class ChatRequest(RequestLens):
    """A client's chat request."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        document = self._document
        self.include_usage = self._wants_usage()
        self.messages: list[dict[str, Any]] = typed(document, "messages", list, required=True)
        check_turns(self.messages, "messages")
        typed(document, "n", int)
        form = document.get("response_format")
        self.structured = isinstance(form, dict) and form.get("type") in JSON_FORMATS
        self.windowable = not any(document.get(key) for key in _FORBID_A_WINDOW) and document.get("n") in {None, 1}
        self.question = first_text(reversed(self.messages), "user")
        self.first_texts = f"{first_text(self.messages, *SYSTEM_ROLES)}\n{first_text(self.messages, 'user')}"
        self._state = "store" if document.get("store") else _audio(self.messages)

    def _add(self, instruction: Instruction, choices: int | None, streamed: Streamed) -> None:
        document, messages = self._document, self._document.fields["messages"]
        if choices is not None:
            document.set("n", choices)
        if streamed == "counted":
            document.set("stream_options", {"include_usage": True})
        # one is made if there is none, never a second one
        if instruction.system and not self._join_first_system(messages, instruction.system, "text"):
            document.prepend(messages, {"role": "system", "content": instruction.system})
        if instruction.feedback and self.messages[-1]["role"] == "user":
            document.append(messages, {"role": "user", "content": instruction.feedback})


class ChatReply(ReplyLens):
    """An upstream's chat completion."""

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(raw, headers)
        choices = self.json.get("choices")
        if not isinstance(choices, list) or not choices or not all(_is_choice(choice) for choice in choices):
            raise ApiError.upstream("The upstream's answer is no chat completion.")

    @property
    def answers(self) -> list[Answer]:
        """One for each choice, in order."""
        return [_answer(choice["message"]) for choice in self.json["choices"]]

    def _events(self, shown: Shown) -> Iterator[bytes]:
        """The reply as server-sent chunks: one id, role first, `finish_reason` alone in a choice's last."""
        return replayed(self.json, "chat.completion.chunk", shown, self._pieces())

    def _pieces(self) -> Iterator[dict[str, Any]]:
        for place, choice in enumerate(self.json["choices"]):
            index, message = choice.get("index", place), dict(choice["message"])
            content, calls = message.pop("content", None), message.pop("tool_calls", None)
            logprobs = choice.get("logprobs")

            def delta(fields: dict[str, Any], at: int = index, logprobs: Any = None) -> dict[str, Any]:
                return {"index": at, "delta": fields, "logprobs": logprobs, "finish_reason": None}

            yield delta({"role": "assistant", "content": "" if content is not None else None})
            rest = {k: v for k, v in message.items() if k != "role" and v is not None}
            if rest:
                yield delta(rest)
            if text := text_of(content):
                # log-probabilities belong to tokens, and one chunk keeps them beside all of theirs
                for piece in [text] if logprobs else pieces(text):
                    yield delta({"content": piece}, logprobs=logprobs)
            for position, call in enumerate(calls or []):
                yield delta({"tool_calls": [{"index": position, **call}]})
            yield delta({}) | {"finish_reason": choice.get("finish_reason") or "stop"}


def merged(reply: ChatReply, places: Sequence[int], fresh: ChatReply) -> ChatReply:
    """The reply with its choices at `places` replaced, in order, by those of `fresh`; the usage is that of both."""
    document = reply._document
    nodes = list(document.items(document.fields["choices"]))
    for place, choice in zip(places, fresh.json["choices"], strict=False):
        document.replace(nodes[place], choice | {"index": nodes[place].value.get("index", place)})
    if reply.usage or fresh.usage:
        document.set("usage", summed([reply.usage, fresh.usage]))
    return ChatReply(document.edited(), fresh.headers)


def _audio(messages: list[dict[str, Any]]) -> str | None:
    """Where an earlier answer's audio is named by id."""
    return next((f"messages[{i}].audio" for i, message in enumerate(messages) if message.get("audio")), None)


def _is_choice(choice: Any) -> bool:
    """Whether this is a choice as far as anything here reads it."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict) or not isinstance(message.get("content"), str | list | None):
        return False
    calls = message.get("tool_calls")
    return calls is None or (isinstance(calls, list) and all(isinstance(call, dict) for call in calls))


def _answer(message: dict[str, Any]) -> Answer:
    return Answer(
        text=text_of(message.get("content")),
        tool_calls=bool(message.get("tool_calls") or message.get("function_call")),
        refusal=bool(message.get("refusal")),
    )


CHAT = Wire("chat/completions", ChatRequest, ChatReply, merge=merged, stream=ChatStream)
