"""`/healthz` (alive), `/readyz` (everything is loaded, and we are not ending), `/metrics` and `/audit/TRACE`."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.api.http import product_of
from proxy.errors import ApiError
from proxy.metrics import CONTENT_TYPE


async def healthz(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Everything is loaded: 200, else 503."""
    product = getattr(request.app.state, "product", None)
    ready = product is not None and product.ready
    return JSONResponse({"status": "ready" if ready else "not ready"}, 200 if ready else 503)


async def audit(request: Request) -> Response:
    """One request's audit record, such as that of a stream which was opened before its verdict."""
    trail = await product_of(request).audit.find(request.path_params["trace"])
    if trail is None:
        raise ApiError.not_found("No such record, or it is not written yet.")
    about = {"trace": trail.trace, "at": trail.at.isoformat(), "tenant": trail.tenant}
    return JSONResponse(about | json.loads(trail.record))


async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    product = product_of(request)
    product.metrics.set_audit_waiting(product.audit.waiting)
    return Response(product.metrics.text(), media_type=CONTENT_TYPE)
