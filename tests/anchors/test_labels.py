from pathlib import Path

import pytest

from anchors.labels import BrokenLabels, read_labels
from anchors.values import catalogue

MEASURED = set(catalogue()) - {"svt/power"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def test_numbers_as_a_spreadsheet_saves_them(path: Path) -> None:
    path.write_text(
        'text,value,intensity,who\n"Give, then\nask.",care,7.5,ann\nKeep it.,mft/care,-2,bob\n', "utf-8-sig"
    )
    found = read_labels(path, catalogue(), MEASURED)
    assert found.texts == ("Give, then\nask.", "Keep it.")
    assert found.values == ("mft/care",)
    assert found.intensity is not None
    assert found.intensity.tolist() == [7.5, -2]
    assert found.second is None


def test_choices_put_the_winner_first(path: Path) -> None:
    path.write_text("text_a,text_b,value,winner\none,two,care,a\none,three,care,B\n")
    found = read_labels(path, catalogue(), MEASURED)
    assert found.second is not None
    assert [(found.texts[a], found.texts[b]) for a, b in zip(found.first, found.second, strict=True)] == [
        ("one", "two"),
        ("three", "one"),
    ]
    assert found.intensity is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", ":1: columns: expected text, value, intensity or text_a, text_b, value, winner, found none"),
        ("text,intensity\nx,1\n", ":1: columns: expected .* found text, intensity"),
        ("text,value,intensity\n", ": no labels"),
        ("text,value,intensity\nx,care,1\n ,care,1\n", ":3: text: is empty"),
        ("text,value,intensity\nx,carre,1\n", ":2: value: unknown value 'carre'; did you mean care"),
        ("text,value,intensity\nx,power,1\n", ":2: value: the gauge does not measure svt/power"),
        ("text,value,intensity\nx,care,much\n", ":2: intensity: 'much' is not a number"),
        ("text,value,intensity\nx,care,nan\n", r":2: intensity: nan is not in \[-10, 10\]"),
        ("text,value,intensity\nx,care\n", ":2: intensity: missing"),
        ("text,value,intensity\nx, y,care,1\n", ":2: more fields than columns"),
        ('text,value,intensity\nx,care,1\n"x"y,care,1\n', ":3: .*expected after"),
        ("text_a,text_b,value,winner\nx,y,care,c\n", ":2: winner: expected a or b, found 'c'"),
        ("text_a,text_b,value,winner\nx,x,care,a\n", ":2: text_b: is the same as text_a"),
        ("text,value,intensity\n" + "x,care,1\n" * 2001, ":2002: more than 2000 labels"),
    ],
)
def test_what_cannot_be_used_is_named(path: Path, table: str, message: str) -> None:
    path.write_text(table)
    with pytest.raises(BrokenLabels, match="labels.csv" + message):
        read_labels(path, catalogue(), MEASURED)


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(BrokenLabels, match=r"labels.csv: .*No such file"):
        read_labels(path, catalogue(), MEASURED)
