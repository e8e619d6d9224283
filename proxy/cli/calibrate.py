"""`valueflow calibrate`: fit the local gauge's calibration to people's labels, and show what that changes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from proxy.cli.shared import err, fail, read_evaluator, read_settings

if TYPE_CHECKING:
    from anchors.evaluator import Evaluator
    from anchors.labels import Labels
    from anchors.recalibration import Readings

_out = Console(width=150)
BATCH = 64


def calibrate(
    labels: Annotated[
        Path, typer.Argument(help="CSV with columns text, value, intensity; or text_a, text_b, value, winner (a or b)")
    ],
    out: Annotated[Path, typer.Option(help="folder that the new gauge is written to")] = Path("var/gauge"),
) -> None:
    """Fit the calibration of the labelled values to about 100 labels of people; VALUEFLOW_GAUGE then loads it."""
    from anchors.gauge import BrokenGauge, load, save
    from anchors.labels import BrokenLabels, read_labels
    from anchors.recalibration import MIN_NUMBERS, TooFewLabels, recalibrate
    from anchors.values import catalogue

    settings = read_settings()
    if out.resolve() == settings.gauge_folder.resolve():
        raise fail(f"{out} is the gauge that is calibrated: give another --out")
    try:
        read = read_labels(labels, catalogue(), load(settings.gauge_folder).values)
        evaluator = read_evaluator(settings)
        found = recalibrate(evaluator.gauge, read, _readings(evaluator, read))
        made = save(found.gauge, out)
    except (BrokenLabels, BrokenGauge, TooFewLabels, OSError) as error:
        raise fail(str(error) if not isinstance(error, TooFewLabels) else f"{labels}: {error}") from error
    table = Table(
        "value", "labels", "figure", "before", "after", "difference",
        title=f"gauge {evaluator.gauge.version} before, {made.version} after",
        caption="95% bootstrap intervals over texts or pairs; after: cross-validated, no label tests a map that it"
        " was fitted in; mae in points of 20; log loss of choices: a coin has 0.69",
    )  # fmt: skip
    for value, changes in found.figures.items():
        for name, change in changes.items():
            figures = (change.before, change.after, change.difference)
            shown = (f"{f.value:.2f} [{f.low:.2f}, {f.high:.2f}]" for f in figures)
            table.add_row(value, str(found.labels[value]), name, *shown)
    _out.print(table)
    for value, half in found.too_wide().items():
        err.print(
            f"{value}: 90% intervals of about ±{half:.0f} points, wider than the scale: gauge and labels disagree so"
            f" much that a single text's score tells next to nothing; {MIN_NUMBERS} texts are few, 100 are better",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    _out.print(f"gauge {made.version} in {out}; to use it: VALUEFLOW_GAUGE={out}", markup=False, highlight=False)


def _readings(evaluator: "Evaluator", labels: "Labels") -> "Readings":
    """What the gauge reads of the labels' texts, a batch at a time."""
    import numpy as np

    from anchors.evaluator import Text
    from anchors.recalibration import Readings

    columns = [evaluator.gauge.values.index(v) for v in labels.values]
    starts = range(0, len(labels.texts), BATCH)
    parts = [evaluator.measure([Text(t) for t in labels.texts[s : s + BATCH]], columns) for s in starts]
    return Readings(
        np.concatenate([p.utility for p in parts]),
        np.concatenate([p.relevance for p in parts]),
        np.concatenate([p.words for p in parts]),
    )
