"""`GET /v1/models`: the models that the operator configured."""

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.api.http import product_of, tenant_of
from proxy.errors import ApiError

_STARTED = int(time.time())


def _entry(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "valueflow"}


async def list_models(request: Request) -> Response:
    """All models."""
    await tenant_of(request)
    return JSONResponse({"object": "list", "data": [_entry(name) for name in product_of(request).routes]})


async def get_model(request: Request) -> Response:
    """One model, 404 when it is not configured."""
    await tenant_of(request)
    name = request.path_params["model"]
    if name not in product_of(request).routes:
        raise ApiError.not_found(f"The model '{name}' does not exist.", "model", "model_not_found")
    return JSONResponse(_entry(name))
