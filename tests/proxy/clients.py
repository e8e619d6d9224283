"""The official SDKs' clients of a served proxy. Those that a test opens are closed when it ends (`conftest.py`):
a socket left open fails whatever test the garbage collector runs in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import anthropic
import openai

from proxy.settings import DEMO_KEY
from tests.proxy.servers import Served

_opened = ExitStack()


def openai_client(found: Served, key: str = DEMO_KEY, **options: Any) -> openai.OpenAI:
    """An `openai` client that never repeats a request."""
    made = openai.OpenAI(base_url=found.url + "/v1", api_key=key, max_retries=0, **options)
    return _opened.enter_context(made)


def anthropic_client(found: Served, key: str = DEMO_KEY) -> anthropic.Anthropic:
    """An `anthropic` client that never repeats a request."""
    return _opened.enter_context(anthropic.Anthropic(base_url=found.url, api_key=key, max_retries=0))


@contextmanager
def closing() -> Iterator[None]:
    """Close, at the end, all that was opened meanwhile."""
    try:
        yield
    finally:
        _opened.close()
