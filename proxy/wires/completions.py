"""The wire of `/v1/completions`: a lens over OpenAI's legacy completions JSON, both ways.

This API has no system text and no turns, so answers are scored and never steered. With `echo` the prompt is part of the
answer and is scored with it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.chat_stream import ChunkStream
from proxy.wires.parts import counts, edited, event, pieces, reply_document, request_document, typed, usage_of
from proxy.wires.seal import Seal
from proxy.wires.wire import Answer, Shown, Streamed, Wire


class CompletionsRequest:
    """A client's request for completions. Raises ApiError 400 naming the parameter that is wrong."""

    structured = windowable = False

    def __init__(self, raw: bytes) -> None:
        self._document = document = request_document(raw)
        self.model: str = typed(document, "model", str, required=True)
        self.stream = bool(typed(document, "stream", bool))
        options = typed(document, "stream_options", dict) or {}
        self.include_usage = options.get("include_usage") is True
        prompt = document.get("prompt")
        if not isinstance(prompt, str | list | None):
            raise ApiError.bad_request("'prompt' must be a string or an array.", param="prompt")
        prompts = prompt if isinstance(prompt, list) else [prompt]
        self.question = next((text for text in prompts if isinstance(text, str)), "")

    def isolate(self, seal: Seal | None) -> None:
        """Nothing is kept between requests of this API."""

    @property
    def first_texts(self) -> str:
        """The prompt."""
        return self.question

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        return self._document.get(key)

    def body(
        self, model: str, instruction: Instruction | None = None, choices: int | None = None, streamed: Streamed = "no"
    ) -> bytes:
        """The request for an upstream, made from the original bytes; there is no place for an instruction."""
        document = self._document
        if document.get("model") != model:
            document.set("model", model)
        if streamed == "no" and document.get("stream"):
            document.set("stream", False)
        if streamed == "no" and "stream_options" in document.fields:
            document.remove("stream_options")
        return document.edited()


class CompletionsReply:
    """An upstream's completion, parsed beside its bytes. Raises ApiError 502 when it is not one."""

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._document = reply_document(raw)
        self.headers = headers or {}
        self.json: dict[str, Any] = self._document.root.value
        choices = self.json.get("choices")
        texts = [c.get("text") if isinstance(c, dict) else None for c in choices] if isinstance(choices, list) else []
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ApiError.upstream("The upstream's answer is no completion.")

    @property
    def answers(self) -> list[Answer]:
        """One for each choice, in order."""
        return [Answer(choice["text"]) for choice in self.json["choices"]]

    @property
    def usage(self) -> Mapping[str, Any]:
        """The upstream's usage object, empty where it gives none."""
        return usage_of(self.json)

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens as the upstream counts them; 0 where it does not say."""
        return counts(self.usage, "prompt_tokens", "completion_tokens")

    def body(self, shown: Shown) -> bytes:
        """The reply for the client: the upstream's bytes but for what `shown` names."""
        return edited(self._document, shown)

    def replay(self, shown: Shown) -> Iterator[bytes]:
        """The reply as chunks: a choice's text, then its `finish_reason` alone."""
        head = {k: v for k, v in self.json.items() if k not in {"choices", "usage"}} | {"model": shown.model}

        def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
            return event(head | {"choices": choices} | ({"usage": None} if shown.include_usage else {}) | more)

        for place, choice in enumerate(self.json["choices"]):
            index, logprobs = choice.get("index", place), choice.get("logprobs")
            for piece in [choice["text"]] if logprobs else pieces(choice["text"]):
                yield chunk([{"text": piece, "index": index, "logprobs": logprobs, "finish_reason": None}])
            finish = choice.get("finish_reason") or "stop"
            yield chunk([{"text": "", "index": index, "logprobs": None, "finish_reason": finish}])
        if shown.extra is not None:
            yield chunk([], valueflow=shown.extra)
        if shown.include_usage:
            yield chunk([], usage=self.usage if shown.usage is None else shown.usage)
        yield b"data: [DONE]\n\n"


class CompletionsStream(ChunkStream):
    """A streamed completion."""

    def delta(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        """Its text."""
        return {"content": choice["text"]} if isinstance(choice.get("text"), str) else None


COMPLETIONS = Wire(
    "completions", CompletionsRequest, CompletionsReply, most="monitor", turns="prompt", stream=CompletionsStream
)
