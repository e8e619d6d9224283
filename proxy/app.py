"""The two ASGI apps: the API that clients call, and the operator's port with metrics. Routes and handlers, no logic."""

from starlette.applications import Starlette
from starlette.routing import Route

from proxy.api.generation import endpoint
from proxy.api.health import audit, healthz, metrics, readyz
from proxy.api.http import HANDLERS
from proxy.api.models import get_model, list_models
from proxy.api.openapi import openapi
from proxy.product import Product
from proxy.wires.chat import CHAT
from proxy.wires.completions import COMPLETIONS
from proxy.wires.messages import MESSAGES
from proxy.wires.plain import plain
from proxy.wires.responses import RESPONSES

WIRES = (CHAT, RESPONSES, MESSAGES, COMPLETIONS)


def public_app(product: Product) -> Starlette:
    """Port 8080. What models speak beside our own wires passes through."""
    spoken = {path for route in product.routes.values() for path in route.paths}
    others = [plain(path) for path in sorted(spoken - {wire.path for wire in WIRES})]
    app = Starlette(
        routes=[
            *(Route(f"/v1/{wire.path}", endpoint(wire), methods=["POST"]) for wire in (*WIRES, *others)),
            Route("/v1/models", list_models, methods=["GET"]),
            Route("/v1/models/{model:path}", get_model, methods=["GET"]),
            Route("/openapi.json", openapi([wire.path for wire in others]), methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        exception_handlers=HANDLERS,
    )
    app.state.product = product
    return app


def admin_app(product: Product) -> Starlette:
    """Port 8081: not for clients."""
    app = Starlette(
        routes=[
            Route("/metrics", metrics, methods=["GET"]),
            Route("/audit/{trace}", audit, methods=["GET"]),
            # the public port closes at once when we are told to end; this one says so until the last stream has
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        exception_handlers=HANDLERS,
    )
    app.state.product = product
    return app
