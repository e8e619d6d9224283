from anchors.vidb.flags import Flag, against_level, bad_windows
from anchors.vidb.rankings import Judged
from anchors.vidb.scale import Intensity, fit_value
from anchors.vidb.texts import VidbText


def test_a_text_far_from_its_level_is_flagged() -> None:
    texts = {
        name: VidbText(name, "reply", "t", "panel", "x", ("a/b",), "w", levels={"a/b": level})
        for name, level in (("near", 4.0), ("far", 7.0))
    }
    rows = [Intensity(name, "a/b", 0, intensity, 1, 1, 4) for name, intensity in (("near", 1.0), ("far", -3.0))]
    assert list(against_level(texts, rows)) == [Flag("far", "a/b", "asked for +7, ranked at -3.0")]


def test_the_texts_of_an_odd_window_are_flagged() -> None:
    order = ("m5", "a", "m4", "m3", "b", "m2", "m1")
    judged = [Judged(f"w{n}", "r", "v", f"j{n}", order, ()) for n in range(20)]
    judged.append(Judged("odd", "r", "v", "j", ("m5", "b", "m4", "m3", "m2", "m1", "a"), ()))
    found = list(bad_windows(judged, {"v": fit_value(judged)}))
    assert {f.text for f in found} == {"a", "b"}
    assert all("window odd" in f.reason for f in found)
