"""The OpenAPI document says what the public port serves; `make compatibility` drives the port by it."""

from collections.abc import Iterator

import httpx
import pytest
from starlette.routing import Route

from proxy.app import public_app
from proxy.outcome import Name
from tests.proxy.servers import Served, served
from tests.proxy.test_http import OFF


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("openapi"), OFF) as up:
        yield up


def test_every_route_is_in_the_document_and_nothing_else(found: Served) -> None:
    document = httpx.get(found.url + "/openapi.json").json()
    routes = public_app(found.running.product).routes
    served_here = {
        (route.path.replace(":path", ""), method.lower())
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert {(path, method) for path, item in document["paths"].items() for method in item} == served_here
    assert ("/v1/embeddings", "post") in served_here


def test_every_reference_and_outcome_is_there(found: Served) -> None:
    document = httpx.get(found.url + "/openapi.json").json()
    left = [document]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if "$ref" in node:
                target = document
                for key in node["$ref"].removeprefix("#/").split("/"):
                    target = target[key]
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)
    assert set(document["components"]["schemas"]["Outcome"]["enum"]) >= set(Name.__args__)
