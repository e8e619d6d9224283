"""The official Python clients' part of the compatibility matrix, and that the published one is whole."""

import pytest

from bench.compatibility import EVENTS, OUT, STREAMS, CaseUpstream, bytes_kept, live_cells, product, python_cells
from proxy.app import WIRES

CASES = ("text", "tools", "schema", "n2", "image", "refusal", "error")


def test_every_cell_of_the_python_clients_holds() -> None:
    upstream = CaseUpstream()
    with product(STREAMS["buffer"], upstream) as found:
        rows = python_cells(found, upstream, "json,stream", *CASES)
    assert {row["row"].split(",")[0] for row in rows} >= {wire.path for wire in WIRES}
    assert [row for row in rows if not row["ok"] and not row["why"]] == []
    assert len([row for row in rows if row["ok"]]) > 60


@pytest.mark.parametrize("mode", ["window", "monitor"])
def test_every_live_cell_of_the_python_clients_holds(mode: str) -> None:
    upstream = CaseUpstream()
    with product(STREAMS[mode], upstream) as found:
        rows = live_cells(python_cells(found, upstream, "stream", *CASES), mode, upstream)
    assert {row["row"] for row in rows} == set(EVENTS)
    assert [row for row in rows if not row["ok"] and not row["why"]] == []
    assert len([row for row in rows if row["ok"]]) > 20


def test_in_mode_off_the_bytes_are_the_upstreams() -> None:
    assert all(bytes_kept().values())


def test_the_published_matrix_has_every_endpoint_and_no_failure() -> None:
    text = OUT.read_text("utf-8")
    assert all(f"| `/v1/{wire.path}`" in text for wire in WIRES)
    assert "**no**" not in text
