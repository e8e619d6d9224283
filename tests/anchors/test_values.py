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


def test_a_broken_file_names_value_and_field(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("x/y:\n  groups: [a]\n  definition: d\n")
    with pytest.raises(ValueError, match="value 'x/y': 'ladder'"):
        load(path)
