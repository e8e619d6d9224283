from anchors.prefix import WIDER, predicted
from anchors.score import Score, Unscored


def test_the_error_is_wider_and_the_intensity_is_not_moved() -> None:
    whole = predicted(Score(4.0, 2.0, 1.0, 8.0, 0.7, 0.3))
    assert isinstance(whole, Score)
    assert (whole.intensity, whole.sd, whole.relevance) == (4.0, 2.0 * WIDER, 0.7)
    assert (whole.low, whole.high) == (4.0 - 3.0 * WIDER, 4.0 + 4.0 * WIDER)


def test_what_could_not_be_scored_stays_so() -> None:
    assert predicted(Unscored("empty")) == Unscored("empty")
