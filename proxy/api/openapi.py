"""`GET /openapi.json`: the hand-kept document beside this file, with the paths that pass through here added."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_FILE = Path(__file__).with_name("openapi.yaml")


def document(passing: Sequence[str]) -> dict[str, Any]:
    """The document for an app that passes these paths, below `/v1`, through."""
    found: dict[str, Any] = YAML(typ="safe").load(_FILE.read_text("utf-8"))
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/PlainRequest"}}}
    names = {"200": "Answer", "default": "Error"}
    answers = {code: {"$ref": f"#/components/responses/{name}"} for code, name in names.items()}
    for path in passing:
        found["paths"][f"/v1/{path}"] = {
            "post": {
                "operationId": f"pass_{path.replace('/', '_')}",
                "summary": "Passed through: neither steered nor measured.",
                "requestBody": {"required": True, "content": body},
                "responses": answers,
            }
        }
    return found


def openapi(passing: Sequence[str]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint."""
    response = document(passing)

    async def serve(_: Request) -> Response:
        return JSONResponse(response)

    return serve
