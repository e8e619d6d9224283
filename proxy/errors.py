"""Errors that clients see, in OpenAI's shape: {"error": {"message", "type", "param", "code"}}.

ApiError                    any answer that is not a completion; carries the HTTP status
├── .bad_request      400   the body or a parameter is wrong
├── .unauthorized     401   no key, or not one of ours
├── .not_found        404   no such model or path
├── .range_missed     422   `on_miss: error` and no answer lay in range
├── .unscored         422   `on_unscored: error` and the answer could not be measured
├── .busy             429   a bound of ours is reached
├── .internal         500   a fault of ours
├── .upstream         502   the upstream failed or sent what is no completion
├── .resting          503   every upstream of the model failed several times and is left alone for a while
├── .timeout          504   the upstream did not answer in time
└── Unanswered              the upstream did nothing with the request, which may be sent again or elsewhere

The status is chosen here and nowhere else. Knows nothing of how requests are served.
"""

import json
import re
from math import ceil
from typing import Self

_ONCE = {"x-should-retry": "false"}
"""OpenAI's SDKs ask again after a 5xx, which may be billed twice; this header stops them."""

_OVERFLOW = re.compile(r"context[ _](length|window)|maximum context|prompt is too long|too many (input )?tokens", re.I)


class ApiError(Exception):
    """An error for the client; `headers` are added to the answer."""

    def __init__(
        self,
        status: int,
        message: str,
        type_: str,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type_
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The JSON body."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return json.dumps({"error": error}, ensure_ascii=False).encode(errors="replace")

    @property
    def overflow(self) -> bool:
        """Whether an upstream says that the prompt is too long for its model; each provider has its own words."""
        return self.status in {400, 413, 422} and _OVERFLOW.search(f"{self.code} {self.message}") is not None

    @classmethod
    def bad_request(cls, message: str, param: str | None = None, code: str | None = None, status: int = 400) -> Self:
        """The request is wrong; `status` may be a narrower 4xx."""
        return cls(status, message, "invalid_request_error", param, code)

    @classmethod
    def stateful(cls, param: str) -> Self:
        """The request names what an upstream keeps, and the upstream's account is not the tenant's own."""
        message = (
            f"'{param}' needs state at the upstream, which this model shares between tenants: send the whole input."
        )
        return cls.bad_request(message, param, "state_not_available")

    @classmethod
    def unauthorized(cls, message: str) -> Self:
        """No key, or not one of ours."""
        return cls(401, message, "authentication_error", None, "invalid_api_key", {"www-authenticate": "Bearer"})

    @classmethod
    def not_found(cls, message: str, param: str | None = None, code: str | None = None) -> Self:
        """No such thing here."""
        return cls(404, message, "invalid_request_error", param, code)

    @classmethod
    def range_missed(cls, message: str) -> Self:
        """No answer within the budget lay in the policy's ranges."""
        return cls(422, message, "invalid_request_error", None, "value_range_missed")

    @classmethod
    def unscored(cls, message: str) -> Self:
        """The answer could not be measured and the policy wants an error then."""
        return cls(422, message, "invalid_request_error", None, "value_unscored")

    @classmethod
    def busy(cls, message: str, retry_after: int = 1) -> Self:
        """A bound of ours is reached; the client may try again after so many seconds."""
        return cls(429, message, "rate_limit_error", None, "overloaded", {"retry-after": str(retry_after)})

    @classmethod
    def internal(cls) -> Self:
        """A fault of ours; says nothing of what it was."""
        message = "The proxy failed to serve this request."
        return cls(500, message, "api_error", None, "internal_error", _ONCE)

    @classmethod
    def upstream(cls, message: str, sent: bool = True) -> Self:
        """The upstream failed; after a request was `sent`, the client's SDK is told not to repeat it by itself."""
        return cls(502, message, "api_error", None, "upstream_error", _ONCE if sent else None)

    @classmethod
    def resting(cls, message: str, seconds: float) -> Self:
        """No upstream is asked for so many seconds; nothing was sent."""
        return cls(503, message, "api_error", None, "upstream_resting", {"retry-after": str(max(ceil(seconds), 1))})

    @classmethod
    def timeout(cls, message: str) -> Self:
        """The upstream took too long."""
        return cls(504, message, "api_error", None, "upstream_timeout", _ONCE)


class Unanswered(ApiError):
    """The upstream gave no answer and billed none, so another upstream may be asked.

    `again`: this one may be, too, after `pause` seconds.
    """

    again = True
    pause = 0.0
