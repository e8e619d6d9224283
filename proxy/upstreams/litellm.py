"""Every other provider, through litellm's SDK: the one file that knows litellm.

litellm takes about 2.5 s to import, so that is done when the first such model is configured. A request may name none
of litellm's own parameters: `base_url`, `fallbacks`, `mock_response`, `extra_headers` and some 250 others would
override the operator or send the operator's key to a stranger. Only PARAMETERS become arguments; everything else goes
into `extra_body`, which is data for the provider.
"""

import asyncio
import json
import os
from types import ModuleType
from typing import Any

from proxy.errors import ApiError
from proxy.upstreams.upstream import CHAT_PATH, Call, LiteLLMModel, Reply

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


class LiteLLM:
    """One model of one provider, named as litellm names it. Raises ImportError when litellm is not installed."""

    def __init__(self, config: LiteLLMModel) -> None:
        self.model = config.model
        self.paths = frozenset({CHAT_PATH})
        self._litellm = _import_litellm()
        self._fixed: dict[str, Any] = {"model": config.model, "max_retries": 0, "num_retries": 0, "stream": False}
        if config.api_key:
            self._fixed["api_key"] = config.api_key
        if config.api_base:
            self._fixed["api_base"] = str(config.api_base)

    def arguments(self, body: bytes, seconds: float) -> dict[str, Any]:
        """litellm's arguments for a request: the operator's own win over everything that the client wrote."""
        request: dict[str, Any] = json.loads(body)
        listed = {k: v for k, v in request.items() if k in PARAMETERS and v is not None}
        others = {k: v for k, v in request.items() if k not in PARAMETERS and k not in {"model", "stream"}}
        if others:
            listed["extra_body"] = others
        return listed | self._fixed | {"timeout": seconds}

    async def complete(self, call: Call, seconds: float) -> Reply:
        """One completion. Raises ApiError as ERRORS says; texts of requests never stand in it."""
        try:
            async with asyncio.timeout(seconds):
                response = await self._litellm.acompletion(**self.arguments(call.body, seconds))
        except TimeoutError as error:
            raise ApiError.timeout(f"The upstream did not answer within {seconds:.0f} s.") from error
        except Exception as error:
            raise translated(error) from error
        return Reply(response.model_dump_json(exclude_none=False).encode())

    async def close(self) -> None:
        """litellm keeps its own clients; they end with the process."""


def translated(error: Exception) -> ApiError:
    """Our error for one of litellm's (or of the openai client below it); unknown ones are 502."""
    names = [kind.__name__ for kind in type(error).__mro__]
    status, message = next((ERRORS[name] for name in names if name in ERRORS), (502, "The upstream failed."))
    if message is _ADVICE:
        message = _ADVICE.format(type(error).__name__)
    if status == 502:
        return ApiError.upstream(message)
    if status == 504:
        return ApiError.timeout(message)
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"
    return ApiError(status, message, kind, None, "context_length_exceeded" if "ContextWindow" in names[0] else None)


def _import_litellm() -> ModuleType:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or the import fetches a file from the network
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    return litellm
