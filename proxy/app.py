"""The two ASGI apps: the API that clients call, and the operator's port with metrics. Routes and handlers, no logic."""

from starlette.applications import Starlette
from starlette.routing import Route

from proxy.api.chat import chat_completions
from proxy.api.health import healthz, metrics, readyz
from proxy.api.http import HANDLERS
from proxy.api.models import get_model, list_models
from proxy.product import Product


def public_app(product: Product) -> Starlette:
    """Port 8080."""
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", chat_completions, methods=["POST"]),
            Route("/v1/models", list_models, methods=["GET"]),
            Route("/v1/models/{model:path}", get_model, methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        exception_handlers=HANDLERS,
    )
    app.state.product = product
    return app


def admin_app(product: Product) -> Starlette:
    """Port 8081: not for clients."""
    app = Starlette(routes=[Route("/metrics", metrics, methods=["GET"])], exception_handlers=HANDLERS)
    app.state.product = product
    return app
