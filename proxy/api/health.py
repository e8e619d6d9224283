"""`/healthz` (alive), `/readyz` (encoder, anchors, policies and models loaded) and `/metrics`."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.api.http import product_of
from proxy.metrics import CONTENT_TYPE


async def healthz(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Everything is loaded: 200, else 503."""
    product = getattr(request.app.state, "product", None)
    ready = product is not None and product.ready
    return JSONResponse({"status": "ready" if ready else "not ready"}, 200 if ready else 503)


async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    product = product_of(request)
    product.metrics.set_audit_waiting(product.audit.waiting)
    return Response(product.metrics.text(), media_type=CONTENT_TYPE)
