from pathlib import Path

import pytest

from anchors.vidb.rankings import Judged, add_rankings, parse_sheet, read_rankings
from anchors.vidb.texts import BrokenSet
from anchors.vidb.windows import Window

WINDOW = Window("r1.svt.power.000", "r1", "svt/power", ("t1", "t2", "t3"))
GOOD = "r1.svt.power.000: 5 C 4 A 3 2 B 1 | off: A"


def parse(line: str) -> list[Judged]:
    return parse_sheet(line.splitlines(), {WINDOW.id: WINDOW}, "j1", "sheet.out")


@pytest.mark.parametrize("line", [GOOD, GOOD.lower(), GOOD.replace(" C 4", " > C, 4"), "\n" + GOOD + "\n\n"])
def test_orders_become_ids_and_cards(line: str) -> None:
    found = parse(line)
    assert [f.order for f in found] == [("m5", "t3", "m4", "t1", "m3", "m2", "t2", "m1")]
    assert found[0].off == ("t1",)
    assert (found[0].value, found[0].judge, found[0].round) == ("svt/power", "j1", "r1")


@pytest.mark.parametrize("off", ["| off: -", "| off:", "", "| off: none"])
def test_nothing_off(off: str) -> None:
    assert parse(GOOD.partition("|")[0] + off)[0].off == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hello", "expected 'window: order"),
        (GOOD.replace("000", "999"), "unknown window 'r1.svt.power.999'"),
        (GOOD + "\n" + GOOD, "sheet.out:2: window 'r1.svt.power.000' is ranked twice"),
        (GOOD.replace("B", "D"), "no permutation: missing B; unknown D"),
        (GOOD.replace(" B", ""), "no permutation: missing B"),
        (GOOD.replace("4 A", "4 C"), "missing A; twice C"),
        (GOOD.replace("5 C 4", "4 C 5"), "cards must stand in the order"),
        (GOOD.replace("off: A", "off: X"), "off names no text: X"),
        (GOOD.replace("off: A", "off: 3"), "off names no text: 3"),
    ],
)
def test_what_is_no_permutation_is_refused_with_its_line(line: str, message: str) -> None:
    with pytest.raises(BrokenSet, match=r"^sheet\.out:\d+: ") as caught:
        parse(line)
    assert message in str(caught.value)


def test_rankings_are_kept_and_nobody_reads_a_text_twice(tmp_path: Path) -> None:
    add_rankings(tmp_path, parse(GOOD))
    other = Judged("r2.x", "r2", "mft/care", "j1", ("m5", "t1", "m4", "m3", "m2", "m1"), ())
    with pytest.raises(BrokenSet, match="judge 'j1' has read text 't1' before"):
        add_rankings(tmp_path, [other])
    add_rankings(tmp_path, [Judged(other.window, other.round, other.value, "j2", other.order, ())])
    assert [r.judge for r in read_rankings(tmp_path)] == ["j1", "j2"]
