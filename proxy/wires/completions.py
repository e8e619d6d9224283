"""The wire of `/v1/completions`: a lens over OpenAI's legacy completions JSON, both ways.

This API has no system text and no turns, so answers are scored and never steered. With `echo` the prompt is part of the
answer and is scored with it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.errors import ApiError
from proxy.wires.chat_stream import ChunkStream, replayed
from proxy.wires.lens import ReplyLens, RequestLens
from proxy.wires.parts import pieces
from proxy.wires.wire import Answer, Shown, Wire


class CompletionsRequest(RequestLens):
    """A client's request for completions; there is no place for an instruction, and nothing is kept."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.include_usage = self._wants_usage()
        prompt = self._document.get("prompt")
        if not isinstance(prompt, str | list | None):
            raise ApiError.bad_request("'prompt' must be a string or an array.", param="prompt")
        prompts = prompt if isinstance(prompt, list) else [prompt]
        self.question = self.first_texts = next((text for text in prompts if isinstance(text, str)), "")


class CompletionsReply(ReplyLens):
    """An upstream's completion."""

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(raw, headers)
        choices = self.json.get("choices")
        texts = [c.get("text") if isinstance(c, dict) else None for c in choices] if isinstance(choices, list) else []
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ApiError.upstream("The upstream's answer is no completion.")

    @property
    def answers(self) -> list[Answer]:
        """One for each choice, in order."""
        return [Answer(choice["text"]) for choice in self.json["choices"]]

    def _events(self, shown: Shown) -> Iterator[bytes]:
        """The reply as chunks: a choice's text, then its `finish_reason` alone."""
        return replayed(self.json, "text_completion", shown, self._pieces())

    def _pieces(self) -> Iterator[dict[str, Any]]:
        for place, choice in enumerate(self.json["choices"]):
            index, logprobs = choice.get("index", place), choice.get("logprobs")
            for piece in [choice["text"]] if logprobs else pieces(choice["text"]):
                yield {"text": piece, "index": index, "logprobs": logprobs, "finish_reason": None}
            finish = choice.get("finish_reason") or "stop"
            yield {"text": "", "index": index, "logprobs": None, "finish_reason": finish}


class CompletionsStream(ChunkStream):
    """A streamed completion."""

    def delta(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        """Its text."""
        return {"content": choice["text"]} if isinstance(choice.get("text"), str) else None


COMPLETIONS = Wire(
    "completions", CompletionsRequest, CompletionsReply, most="monitor", turns="prompt", stream=CompletionsStream
)
