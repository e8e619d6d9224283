from collections import Counter
from pathlib import Path

import pytest

from anchors.values import UnknownValue, catalogue, load


def test_there_are_32_values_in_four_theories() -> None:
    assert Counter(v.theory for v in catalogue().values()) == {"svt": 12, "mft": 6, "duty": 7, "right": 7}


@pytest.mark.parametrize("value", catalogue().values(), ids=lambda v: v.id)
def test_every_value_is_fully_described(value) -> None:
    assert len(value.paraphrases) == 4
    assert len(value.supports) == len(value.opposes) == 5
    assert 3 <= len(value.criteria) <= 5
    assert len(value.ladder.favour) == len(value.ladder.against) == 4
    assert len(set(value.ladder.favour + value.ladder.against)) == 8
    assert all(len(words.split()) <= 45 for words in value.ladder.favour + value.ladder.against)


def test_bare_and_full_names_resolve() -> None:
    assert catalogue().resolve("benevolence").id == catalogue().resolve("SVT/benevolence").id == "svt/benevolence"


def test_unknown_name_says_what_is_near() -> None:
    with pytest.raises(UnknownValue, match="did you mean benevolence"):
        catalogue().resolve("benevolance")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping of value ids"),
        ("xy:\n  definition: d\n", "value 'xy': an id has the form theory/name"),
        ("x/y:\n  groups: [a]\n", "value 'x/y': definition: missing"),
        ("x/y:\n  definition: d\n  supports: s\n", "value 'x/y': supports: must be a list"),
        ("x/y:\n  definition: d\n  ladder: {for: {faint: a}}\n", "value 'x/y': ladder.for: needs faint, mild"),
    ],
)
def test_a_broken_file_names_value_and_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load(path)


def test_a_value_of_ones_own_needs_a_definition_alone(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("house/thrift:\n  definition: spending little and wasting nothing\n")
    value = load(path)["house/thrift"]
    assert "spending little" in value.ladder.favour[3]
    assert len(set(value.ladder.favour + value.ladder.against)) == 8
