import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api.depth import too_deep

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab[]{}"\\'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='[]{}"\\'), inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(JSON)
def test_it_is_the_depth_of_what_is_parsed(value: Any) -> None:
    raw, deep = json.dumps(value).encode(), depth(value)
    assert not too_deep(raw, deep)
    assert deep == 0 or too_deep(raw, deep - 1)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"[" * 100_000, True),
        (b'{"a":' * 100_000, True),
        (b'["' + b"[" * 100_000, False),
        (b'{"' + b'\\"[' * 1_000_000, False),
    ],
    ids=["arrays", "objects", "string without end", "quotes without end"],
)
def test_broken_texts_end_quickly(raw: bytes, found: bool) -> None:
    assert too_deep(raw, 64) is found
