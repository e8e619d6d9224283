"""Every other provider, through litellm's SDK: the one file that knows litellm's calls; `translate.py` its translators.

litellm takes about 2.5 s to import, so that is done when the first such model is configured. A request may name none
of litellm's own parameters: `base_url`, `fallbacks`, `mock_response`, `extra_headers` and some 250 others would
override the operator or send the operator's key to a stranger. Only PARAMETERS become arguments; everything else goes
into `extra_body`, which is data for the provider.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from proxy.errors import ApiError, Unanswered
from proxy.upstreams.retry_after import seconds_to_wait
from proxy.upstreams.upstream import CHAT_PATH, Call, Limits, LiteLLMModel, Reply

PARAMETERS = frozenset(
    {
        "messages", "functions", "function_call", "temperature", "top_p", "n", "stop", "max_tokens",
        "max_completion_tokens", "modalities", "prediction", "audio", "presence_penalty", "frequency_penalty",
        "logit_bias", "user", "response_format", "seed", "tools", "tool_choice", "parallel_tool_calls", "logprobs",
        "top_logprobs", "reasoning_effort", "verbosity", "safety_identifier", "service_tier",
    }
)  # fmt: skip
"""OpenAI's chat parameters that become litellm's arguments."""

_ADVICE = "The upstream refused the request: {}"
ERRORS: dict[str, tuple[int, str]] = {
    "AuthenticationError": (502, "The upstream does not accept the operator's key."),
    "PermissionDeniedError": (502, "The upstream denies access to this model."),
    "NotFoundError": (502, "The upstream does not know this model."),
    "LiteLLMUnknownProvider": (502, "The model's provider is not known."),
    "BudgetExceededError": (502, "The upstream's budget is spent."),
    "RateLimitError": (429, "The upstream is at its rate limit."),
    "ContextWindowExceededError": (400, _ADVICE),
    "ContentPolicyViolationError": (400, _ADVICE),
    "UnsupportedParamsError": (400, _ADVICE),
    "BadRequestError": (400, _ADVICE),
    "ImageFetchError": (400, _ADVICE),
    "InvalidRequestError": (400, _ADVICE),
    "UnprocessableEntityError": (422, _ADVICE),
    "RejectedRequestError": (400, _ADVICE),
    "JSONSchemaValidationError": (502, "The upstream's answer does not keep the schema."),
    "APIResponseValidationError": (502, "The upstream's answer is malformed."),
    "Timeout": (504, "The upstream did not answer in time."),
    "APIConnectionError": (502, "The upstream could not be reached."),
    "InternalServerError": (502, "The upstream failed."),
    "BadGatewayError": (502, "The upstream failed."),
    "ServiceUnavailableError": (502, "The upstream is not available."),
    "APIError": (502, "The upstream failed."),
    "OpenAIError": (502, "The upstream failed."),
    "MidStreamFallbackError": (502, "The upstream failed."),
    "MockException": (502, "The upstream failed."),
    "GuardrailRaisedException": (502, "The upstream failed."),
    "BlockedPiiEntityError": (502, "The upstream failed."),
    "ModifyResponseException": (502, "The upstream failed."),
    "SensitiveDataRouteException": (502, "The upstream failed."),
}
"""HTTP status and message by the name of litellm's exception; subclasses stand before what they derive from."""

_AGAIN = frozenset({"RateLimitError", "BadGatewayError", "ServiceUnavailableError"})
_UNANSWERED = _AGAIN | {
    "AuthenticationError", "PermissionDeniedError", "NotFoundError", "LiteLLMUnknownProvider", "BudgetExceededError",
    "InternalServerError",
}  # fmt: skip
"""After these another upstream may be asked; after those of _AGAIN this one, too. APIConnectionError is not among
them: litellm raises it for a connection that was refused and for one that was lost while the answer was made."""


class LiteLLM:
    """One model of one provider, named as litellm names it. Raises ImportError when litellm is not installed."""

    def __init__(self, config: LiteLLMModel, limits: Limits) -> None:
        self.model = config.model
        self.paths = self.streams = frozenset({CHAT_PATH})
        self._limits = limits
        self._litellm = import_litellm()
        self._fixed: dict[str, Any] = {"model": config.model, "max_retries": 0, "num_retries": 0}
        if config.api_key:
            self._fixed["api_key"] = config.api_key
        if config.api_base:
            self._fixed["api_base"] = str(config.api_base)

    def arguments(self, body: bytes, seconds: float) -> dict[str, Any]:
        """litellm's arguments for a request: the operator's own win over everything that the client wrote."""
        request: dict[str, Any] = json.loads(body)
        listed = {k: v for k, v in request.items() if k in PARAMETERS and v is not None}
        others = {k: v for k, v in request.items() if k not in PARAMETERS | {"model", "stream", "stream_options"}}
        if others:
            listed["extra_body"] = others
        return listed | self._fixed | {"stream": False, "timeout": seconds}

    async def complete(self, call: Call, seconds: float) -> Reply:
        """One completion. Raises ApiError as ERRORS says; texts of requests never stand in it."""
        async with _translated(asyncio.get_running_loop().time() + seconds, seconds):
            response = await self._litellm.acompletion(**self.arguments(call.body, seconds))
        return Reply(response.model_dump_json(exclude_none=False).encode())

    async def open(self, call: Call, seconds: float) -> "Chunks":
        """The answer in OpenAI's chunks, as litellm translates them. Raises as `complete`."""
        until = asyncio.get_running_loop().time() + seconds
        options = json.loads(call.body).get("stream_options")
        async with _translated(until, seconds):
            arguments = self.arguments(call.body, seconds) | {"stream": True}
            chunks = await self._litellm.acompletion(**arguments, **({"stream_options": options} if options else {}))
        return Chunks(chunks, until, seconds, self._limits)

    async def close(self) -> None:
        """litellm keeps its own clients; they end with the process."""


class Chunks:
    """litellm's chunks as the bytes of a `Stream`."""

    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, chunks: Any, until: float, seconds: float, limits: Limits) -> None:
        self._chunks = chunks
        self._until = until
        self._seconds = seconds
        self._limits = limits

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        while True:
            now = asyncio.get_running_loop().time()
            async with _translated(min(self._until, now + self._limits.read_seconds), self._seconds):
                chunk = await anext(self._chunks, None)
            if chunk is None:
                yield b"data: [DONE]\n\n"
                return
            part = b"data: " + chunk.model_dump_json(exclude_unset=True).encode() + b"\n\n"
            size += len(part)
            if size > self._limits.bytes:
                raise ApiError.upstream("The upstream's answer is too large.")
            yield part

    async def aclose(self) -> None:
        """End the provider's stream."""
        await self._chunks.aclose()


@contextlib.asynccontextmanager
async def _translated(until: float, seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError as error:
        raise ApiError.timeout(f"The upstream did not answer within {seconds:.0f} s.") from error
    except Exception as error:
        raise translated(error) from error


def translated(error: Exception) -> ApiError:
    """Our error for one of litellm's (or of the openai client below it); unknown ones are 502."""
    names = [kind.__name__ for kind in type(error).__mro__]
    known = next((name for name in names if name in ERRORS), "")
    status, message = ERRORS.get(known, (502, "The upstream failed."))
    if message is _ADVICE:
        message = _ADVICE.format(type(error).__name__)
    kind = Unanswered if known in _UNANSWERED else ApiError
    if status == 502:
        made = kind.upstream(message)
    elif status == 504:
        made = kind.timeout(message)
    else:
        type_ = "rate_limit_error" if status == 429 else "invalid_request_error"
        made = kind(status, message, type_, None, "context_length_exceeded" if "ContextWindow" in names[0] else None)
    if isinstance(made, Unanswered):
        made.again = known in _AGAIN
        made.pause = seconds_to_wait(getattr(error, "litellm_response_headers", None) or {})
    return made


def import_litellm() -> ModuleType:
    """litellm without telemetry, logs or a look at the network."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or the import fetches a file from the network
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    return litellm
