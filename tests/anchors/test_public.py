"""Other people's labels: which rows are left for a test, and how agreement is counted."""

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from anchors.evaluator import Text
from anchors.outside import LEAST, agreement
from anchors.score import Score, Unscored
from anchors.train.public import Claim, public_examples, untrained_claims

VALUES = ("duty/justice", "duty/non-maleficence", "duty/fidelity", "mft/care", "svt/power", "right/civil")


def write(folder: Path, name: str, rows: list[tuple[str, str, str, str]]) -> None:
    with gzip.open(folder / f"{name}.csv.gz", "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["text", "theory", "value", "label", "split"])
        writer.writeheader()
        writer.writerows({"text": t, "theory": "duty", "value": v, "label": y, "split": s} for t, v, y, s in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ethics_virtue_mapped", "ipip_mapped", "ethics_deontology"):
        write(tmp_path, name, [(f"{name} 1", "justice", "1", "train")])
    write(tmp_path, "ethics_justice", [(f"j{n}", "justice_desert", str(1 - 2 * (n % 2)), "train") for n in range(9100)])
    write(tmp_path, "moral_stories", [("m1", "norm_compliance", "1", "train")])
    write(
        tmp_path, "moralchoice",
        [("c1", "do_not_kill", "-1", "low_ambiguity"), ("c2", "do_not_kill", "0", "low_ambiguity"),
         ("c3", "obey_the_law", "1", "low_ambiguity"), ("c4", "keep_promises", "1", "low_ambiguity")],
    )  # fmt: skip
    write(tmp_path, "mfrc", [("r1", "care", "0.33", "train"), ("r2", "care", "1.0", "train")])
    write(
        tmp_path, "touche23_valueeval",
        [("a1", "power_dominance", "0", "dev"), ("a1", "power_resources", "1", "dev"),
         ("a2", "power_dominance", "1", "train")],
    )  # fmt: skip
    return tmp_path


def test_no_claim_is_of_a_text_that_was_trained_on(folder: Path) -> None:
    trained = {e.text for e in public_examples(folder, VALUES)}
    claims = untrained_claims(folder, VALUES, trained)
    assert not {c.text for c in claims} & trained
    justice = [c for c in claims if c.source == "ethics_justice"]
    assert 0 < len(justice) <= 2 * 150
    assert all(c.holds == (int(c.text[1:]) % 2 == 0) for c in justice)


def test_a_zero_between_two_sides_and_a_minority_of_votes_say_nothing(folder: Path) -> None:
    found = {c.text: c for c in untrained_claims(folder, VALUES, set())}
    assert "c2" not in found
    assert "c3" not in found
    assert "r1" not in found
    assert (found["c1"].value, found["c1"].asks, found["c1"].holds) == ("duty/non-maleficence", "stance", False)
    assert (found["r2"].value, found["r2"].asks, found["r2"].holds) == ("mft/care", "relevance", True)


def test_a_value_split_in_two_is_present_where_either_half_is(folder: Path) -> None:
    mine = [c for c in untrained_claims(folder, VALUES, set()) if c.source == "touche23_valueeval"]
    assert [(c.text, c.holds) for c in mine] == [("a1", True)]


def test_a_missing_set_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="ethics_justice"):
        untrained_claims(tmp_path, VALUES, set())


class FirstNumber:
    """A fake gauge: intensity is the text's number, relevance a tenth of it; the other value reads the reverse."""

    version = "fake"
    values = ("svt/power", "mft/care")
    typical_sd: Mapping[str, float] = dict.fromkeys(values, 1.0)

    def evaluate(self, texts: Sequence[Text], values: Sequence[str]) -> list[dict[str, Score | Unscored]]:
        def one(x: float) -> Score:
            return Score(x, 1.0, x - 1, x + 1, abs(x) / 100, x)

        return [{"svt/power": one(float(t.text)), "mft/care": one(-float(t.text))} for t in texts]


def claims(asks: str, value: str, n: int = 2 * LEAST) -> list[Claim]:
    return [Claim("s", asks, value, str(k), k >= n // 2) for k in range(n)]  # type: ignore[arg-type]


def test_agreement_is_one_where_all_that_holds_is_above_and_zero_the_other_way_round() -> None:
    gauge = FirstNumber()
    (right,), (wrong,) = (agreement(gauge, claims("stance", value)) for value in gauge.values)
    assert (right.rows, right.auc.value, wrong.auc.value) == (2 * LEAST, 1, 0)
    assert right.averaged == 0.5
    (seen,) = agreement(gauge, claims("relevance", "mft/care"))
    assert seen.auc.value == 1


def test_too_few_claims_give_no_figure() -> None:
    assert agreement(FirstNumber(), claims("stance", "svt/power", 2 * LEAST - 2)) == []
