"""What every endpoint does alike: authentication, bounded bodies, clients that go away, errors as JSON.

Knows HTTP and keys; nothing of what bodies say but the shape of errors.
Uses `scope["path"]` and the ASGI messages alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from proxy.api.depth import too_deep
from proxy.errors import ApiError
from proxy.product import Product
from proxy.wires.messages import MESSAGES
from proxy.wires.messages_reply import error_body

_log = logging.getLogger(__name__)
T = TypeVar("T")


class ClientGone(Exception):
    """The client closed the connection before its answer was ready."""


def product_of(request: Request) -> Product:
    """The assembled product that serves this request."""
    product: Product = request.app.state.product
    return product


async def tenant_of(request: Request) -> str:
    """The tenant is a function of the key alone: a bearer token or, from Anthropic's clients, `x-api-key`.

    Raises ApiError 401.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not key:
        raise ApiError.unauthorized("You didn't provide an API key: send 'Authorization: Bearer vf-…'.")
    try:
        tenant = await product_of(request).keys.tenant(key)
    except Exception as error:
        raise unexpected(request, error) from None
    if tenant is None:
        raise ApiError.unauthorized("Incorrect API key provided.")
    return tenant


async def body_of(request: Request) -> bytes:
    """The whole body. Raises ApiError 400, 413 or 415, ClientGone."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError.bad_request(
            "Compressed request bodies are not accepted.", code="unsupported_encoding", status=415
        )
    settings = product_of(request).settings
    limit = settings.body_bytes
    too_large = ApiError.bad_request(f"The body is larger than {limit} bytes.", code="body_too_large", status=413)
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    parts, size = [], 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
        if not message.get("more_body", False):
            break
    raw = b"".join(parts)
    if too_deep(raw, settings.json_depth):
        text = f"The body is nested more than {settings.json_depth} deep."
        raise ApiError.bad_request(text, code="invalid_json")
    return raw


async def unless_gone(request: Request, work: Coroutine[None, None, T]) -> T:
    """The work's result; when the client goes away first the work is cancelled and ClientGone is raised."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def json_response(request: Request, error: ApiError) -> Response:
    """An error as the clients of this path expect it: Anthropic's or OpenAI's."""
    anthropic = request.scope["path"].startswith(f"/v1/{MESSAGES.path}")
    return Response(error_body(error) if anthropic else error.body(), error.status, error.headers, "application/json")


def unexpected(request: Request, error: Exception) -> ApiError:
    """A plain 500 for the client, and one line without texts in the log.

    Raise it `from None` in place of the error: what no handler catches is logged by the server with its texts.
    """
    _log.error("unexpected %s on %s", type(error).__name__, request.scope["path"])
    return ApiError.internal()


async def on_api_error(request: Request, error: Exception) -> Response:
    """Handler for ApiError."""
    assert isinstance(error, ApiError)
    return json_response(request, error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Handler for what the router refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    path = request.scope["path"]
    message = {
        404: f"Unknown request URL: {request.method} {path}.",
        405: f"{request.method} is not allowed on {path}.",
    }
    text = message.get(error.status_code, str(error.detail))
    shaped = ApiError(error.status_code, text, "invalid_request_error", None, "unknown_url", dict(error.headers or {}))
    return json_response(request, shaped)


async def on_client_gone(_: Request, __: Exception) -> Response:
    """Handler for ClientGone: nobody reads this, but the log shows it (499 as nginx has it)."""
    return Response(status_code=499)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """The outermost handler."""
    return json_response(request, unexpected(request, error))


HANDLERS: dict[int | type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    ApiError: on_api_error,
    HTTPException: on_http_error,
    ClientGone: on_client_gone,
    Exception: on_unexpected,
}
