"""What every test of the proxy gets: the clients that it opened are closed."""

from collections.abc import Iterator

import pytest

from tests.proxy.clients import closing


@pytest.fixture(autouse=True)
def _clients_are_closed() -> Iterator[None]:
    with closing():
        yield
