"""The cards put every value on one scale, whatever the mix of its texts."""

import numpy as np
import pytest

from anchors.vidb.rankings import Judged
from anchors.vidb.scale import LIMIT, fit_value, intensities, to_points
from anchors.vidb.windows import MARKERS

RNG = np.random.default_rng(5)
CARD_TRUTH = {"m1": -9.0, "m2": -5.0, "m3": 0.0, "m4": 5.0, "m5": 9.0}


def judged(truth: dict[str, float], windows: int, noise: float = 1.0, value: str = "v") -> list[Judged]:
    """Rankings of eight texts and the cards by a judge with Gumbel noise, the cards kept in order."""
    found = []
    for n in range(windows):
        ids = list(RNG.choice(sorted(truth), 8, replace=False))
        seen = {i: truth[i] + noise * RNG.gumbel() for i in ids} | CARD_TRUTH
        order = tuple(sorted(seen, key=lambda i: -seen[i]))
        found.append(Judged(f"w{n}", "r1", value, "j", order, ()))
    return found


def test_cards_map_to_their_levels_and_the_map_is_monotone() -> None:
    cards = [-6.0, -2.0, 0.5, 3.0, 7.0]
    assert to_points(np.array(cards), cards) == pytest.approx([-9, -5, 0, 5, 9])
    grid = np.linspace(-20, 20, 500)
    points = to_points(grid, cards)
    assert (np.diff(points) >= 0).all()
    assert (points.min(), points.max()) == (-LIMIT, LIMIT)


def test_beyond_the_last_card_the_scale_goes_on() -> None:
    assert 9 < to_points(np.array([7.5]), [-6.0, -2.0, 0.5, 3.0, 7.0])[0] < 10


def test_cards_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="do not rise"):
        to_points(np.zeros(1), [0.0, 0.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize("mix", ["even", "dense around zero", "mostly in favour"])
def test_intensities_do_not_depend_on_the_mix(mix: str) -> None:
    draws = {
        "even": RNG.uniform(-9, 9, 80),
        "dense around zero": np.clip(RNG.normal(0, 3, 80), -9, 9),
        "mostly in favour": RNG.uniform(-3, 9, 80),
    }[mix]
    truth = {f"t{n:02d}": float(x) for n, x in enumerate(draws)}
    rows, _ = intensities(judged(truth, 160))
    error = np.array([r.intensity - truth[r.text] for r in rows])
    assert abs(error.mean()) < 0.8
    assert np.abs(error).mean() < 1.2
    assert np.corrcoef([r.intensity for r in rows], [truth[r.text] for r in rows])[0, 1] > 0.95


def test_rows_say_how_often_a_text_was_seen_and_put_aside() -> None:
    order = ("m5", "a", "m4", "m3", "b", "m2", "m1")
    rows, fits = intensities(
        [Judged(f"w{n}", "r1", "v", f"j{n}", order, ("b",) if n else ()) for n in range(4)]
        + [Judged("bridge", "r1", "", "j", ("m5", "a", "m4", "m3", "m2", "m1"), ())]
    )
    found = {r.text: r for r in rows}
    assert (found["a"].windows, found["a"].relevance, found["b"].relevance) == (4, 1.0, 0.25)
    assert found["a"].intensity > 5
    assert found["b"].intensity < 0
    assert set(fits["v"].items) == {"a", "b", *MARKERS}
    assert fit_value([Judged("w", "r1", "v", "j", order, ())] * 6).gap < 3
