"""Edits touch what they name and no other byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wires.document import Document, InvalidJSON

ODD = b'{ "a" : 1e400, "b":[1,  2.50] ,\n"c":{"x":"\\u00e9\\/"},"n":12345678901234567890123}'


def test_unedited_bytes_are_the_same() -> None:
    assert Document(ODD).edited() == ODD


def test_set_replaces_one_value_and_keeps_the_rest() -> None:
    document = Document(ODD)
    document.set("b", "new")
    assert document.edited() == ODD.replace(b"[1,  2.50]", b'"new"')


def test_set_adds_a_missing_member() -> None:
    document = Document(b'{"a":1 }')
    document.set("z", None)
    assert document.edited() == b'{"a":1 ,"z":null}'


@pytest.mark.parametrize(
    ("key", "left"),
    [("a", b'{"b":2,"c":3}'), ("b", b'{"a":1,"c":3}'), ("c", b'{"a":1,"b":2}')],
    ids=["first", "middle", "last"],
)
def test_remove_takes_one_comma(key: str, left: bytes) -> None:
    document = Document(b'{"a":1,"b":2,"c":3}')
    document.remove(key)
    assert document.edited() == left


def test_remove_the_only_member_and_add_one() -> None:
    document = Document(b'{"a":1}')
    document.remove("a")
    document.set("b", 2)
    assert document.edited() == b'{"b":2}'


def test_arrays_grow_at_both_ends() -> None:
    document = Document(b'{"m":[ {"r":"u"} ],"e":[]}')
    document.append(document.fields["m"], 2)
    document.prepend(document.fields["m"], 1)
    document.append(document.fields["e"], 3)
    assert json.loads(document.edited()) == {"m": [1, {"r": "u"}, 2], "e": [3]}


def test_edits_are_forgotten_after_use() -> None:
    document = Document(b'{"a":1}')
    document.set("a", 2)
    assert document.edited() == b'{"a":2}'
    assert document.edited() == b'{"a":1}'


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"nul", b'{"a":1', b'{"a":1}x', b'{"a":NaN}', b'{"a":1,"a":2}', b"\xff", b'{"a":' + b"[" * 100_000,
     b'{"a":[{"b":1,"b":2}]}', b'{"a":"\\ud800"}', b'{"a":["\\uDC00\\ud83d"]}', b'{"\\ud800":1}'],
)  # fmt: skip
def test_what_is_not_one_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidJSON):
        Document(raw)


def test_whole_surrogate_pairs_are_kept() -> None:
    raw = b'{"a":"\\uD83D\\uDE00 \\\\ud800"}'
    assert Document(raw).get("a") == "\N{GRINNING FACE} \\ud800"
    assert Document(raw).edited() == raw


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=6), st.text(), json_values, st.booleans())
def test_set_equals_assignment_on_any_object(data: dict, key: str, value: object, spaced: bool) -> None:
    document = Document(json.dumps(data, indent=1 if spaced else None).encode("utf-8", "surrogatepass"))
    document.set(key, value)
    assert json.loads(document.edited()) == data | {key: value}


@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=6), st.data())
def test_remove_equals_deletion_on_any_object(data: dict, draw: st.DataObject) -> None:
    key = draw.draw(st.sampled_from(sorted(data)))
    document = Document(json.dumps(data).encode())
    document.remove(key)
    assert json.loads(document.edited()) == {k: v for k, v in data.items() if k != key}
