"""Calibration to labels of people, drawn here from known maps over the shipped gauge."""

from dataclasses import replace

import numpy as np
import pytest

from anchors.calibration import calibrate, mixed
from anchors.gauge import Gauge, load
from anchors.labels import Labels
from anchors.recalibration import Readings, TooFewLabels, recalibrate
from anchors.values import GAUGE

VALUE = "mft/care"


@pytest.fixture(scope="module")
def gauge() -> Gauge:
    return load(GAUGE)


def readings(texts: int, values: int = 1, seed: int = 0) -> Readings:
    rng = np.random.default_rng(seed)
    shape = (texts, values)
    return Readings(rng.normal(0, 2, shape), rng.uniform(0.4, 1, shape), rng.uniform(5, 150, texts))


def numbers(read: Readings, slope: float, intercept: float, noise: float = 2.0, seed: int = 1) -> Labels:
    n = len(read.words)
    rng = np.random.default_rng(seed)
    truth = mixed(intercept + slope * read.utility[:, 0], read.relevance[:, 0]) + rng.normal(0, noise, n)
    at = np.arange(n)
    return Labels(tuple(map(str, at)), (VALUE,), np.zeros(n, np.int64), at, intensity=np.clip(truth, -10, 10))


def line(gauge: Gauge) -> tuple[float, float]:
    at = gauge.values.index(VALUE)
    return float(gauge.slope[at]), float(gauge.intercept[at])


def test_labels_from_another_map_move_this_value_alone(gauge: Gauge) -> None:
    slope, intercept = line(gauge)
    read = readings(120)
    found = recalibrate(gauge, numbers(read, slope, intercept + 4), read)
    assert intercept + 2 < line(found.gauge)[1] < intercept + 4  # 120 labels against 40
    others = np.array(gauge.values) != VALUE
    assert (found.gauge.slope[others] == gauge.slope[others]).all()
    assert (found.gauge.intercept[others] == gauge.intercept[others]).all()
    assert set(found.gauge.factors) == {VALUE}
    mae = found.figures[VALUE]["mae"]
    assert mae.difference.high < 0
    assert mae.after.value == pytest.approx(mae.before.value + mae.difference.value)
    assert mae.after.low < mae.after.value < mae.after.high
    assert 0.8 <= found.figures[VALUE]["coverage"].after.value <= 0.97


def test_labels_that_say_nothing_promise_nothing(gauge: Gauge) -> None:
    """Noise fits a little in sample; out of fold it must not look like a gain."""
    slope, intercept = line(gauge)
    gains = []
    for seed in range(12):
        read = readings(60, seed=seed)
        labels = numbers(read, slope, intercept, noise=4, seed=seed + 100)
        gains.append(recalibrate(gauge, labels, read).figures[VALUE]["mae"].difference.value)
    assert np.mean(gains) > 0


def test_few_labels_move_little_and_keep_the_factor(gauge: Gauge) -> None:
    slope, intercept = line(gauge)
    read = readings(10)
    found = recalibrate(gauge, numbers(read, slope, intercept + 4), read)
    assert intercept < line(found.gauge)[1] < intercept + 2
    assert not found.gauge.factors
    with pytest.raises(TooFewLabels, match="mft/care: labels of 9 different texts or pairs, at least 10"):
        recalibrate(gauge, numbers(few := readings(9), slope, intercept), few)


def test_labels_that_the_gauge_cannot_follow_make_intervals_wider_than_the_scale(gauge: Gauge) -> None:
    read = readings(30)
    scattered = replace(numbers(read, *line(gauge)), intensity=np.resize([-10.0, 10.0], 30))
    (half,) = recalibrate(gauge, scattered, read).too_wide().values()
    assert half > 10
    assert not recalibrate(gauge, numbers(read, *line(gauge)), read).too_wide()


def test_choices_say_how_far_texts_lie_apart(gauge: Gauge) -> None:
    slope, _ = line(gauge)
    read = readings(400)
    rng = np.random.default_rng(5)
    a, b = np.arange(0, 400, 2), np.arange(1, 400, 2)
    intensity = mixed(4 * slope * read.utility[:, 0], read.relevance[:, 0])
    wins = intensity[a] - intensity[b] + rng.normal(0, 1, 200) > 0
    first, second = np.where(wins, a, b), np.where(wins, b, a)
    labels = Labels(tuple(map(str, range(400))), (VALUE,), np.zeros(200, np.int64), first, second)
    found = recalibrate(gauge, labels, read)
    assert line(found.gauge)[0] > 1.3 * slope
    assert found.figures[VALUE]["log loss"].difference.high < 0
    assert set(found.figures[VALUE]) == {"pairwise", "log loss"}
    turned = recalibrate(gauge, replace(labels, first=second, second=first), read)
    assert 0 < line(turned.gauge)[0] < slope  # the scale is never turned round
    assert turned.figures[VALUE]["pairwise"].after.value < 0.5


def test_several_values_have_a_row_each_and_one_together(gauge: Gauge) -> None:
    read = readings(40, 2)
    both = numbers(read, *line(gauge))
    labels = replace(both, values=(VALUE, "svt/power"), value=np.arange(40) % 2)
    found = recalibrate(gauge, labels, read)
    assert found.labels == {VALUE: 20, "svt/power": 20, "all": 40}
    assert list(found.figures) == [VALUE, "svt/power", "all"]


def test_equal_numbers_have_no_pairs(gauge: Gauge) -> None:
    read = readings(12)
    labels = replace(numbers(read, *line(gauge)), intensity=np.full(12, 3.0))
    assert np.isnan(recalibrate(gauge, labels, read).figures[VALUE]["pairwise"].after.value)


def test_a_factor_of_its_own_widens_one_value(gauge: Gauge) -> None:
    at = gauge.values.index(VALUE)
    wide = replace(gauge, factors={VALUE: 2 * gauge.quantile})
    for value, factor in ((at, 2), (at - 1, 1)):
        before, after = (calibrate(g, value, 0.5, 0.9, 40) for g in (gauge, wide))
        assert after.high - after.low == pytest.approx(factor * (before.high - before.low))
        assert after.sd == before.sd
