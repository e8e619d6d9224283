"""How `valueflow eval` lays out its figures. Knows their names; nothing of how they are made."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

if TYPE_CHECKING:
    from anchors.breakdown import Cell, Decile
    from anchors.evaluation import Figure, Report
    from anchors.outside import Agreement
    from anchors.paraphrases import Shift

FIGURES = ("pairwise", "pairwise_far", "conflict", "spearman", "mae", "error_sd", "sign", "coverage")
SIDES = ("pairwise", "mae", "coverage")


def methods(title: str, reports: Mapping[str, "Report"]) -> Table:
    """The gauge beside baselines and a judge."""
    table = Table(
        "method", *FIGURES, title=title,
        caption="mae, error_sd in points of 20; conflict: rows of texts whose two values were ranked on opposite sides;"
        " a judge: one window of a judge whose rankings are not in the fit, each text read against the others",
    )  # fmt: skip
    for name, report in reports.items():
        table.add_row(name, *(show_figure(getattr(report, f)) for f in FIGURES))
    return table


def registers(reports: Mapping[str, "Report"]) -> Table:
    """By register, the worst first."""
    table = Table("register", "rows", *FIGURES, title="by register, the fewest pairs in the right order first")
    for name, report in reports.items():
        table.add_row(name, str(report.rows), *(show_figure(getattr(report, f)) for f in FIGURES))
    return table


def values(report: "Report", cells: Mapping[str, Mapping[str, "Cell"]]) -> Table:
    """By value, with the coverage of each register and its number of rows."""
    names = sorted({register for of in cells.values() for register in of})
    table = Table(
        "value", "rows", "pairwise", "≥3 apart", "spearman", "mae", "error sd", "covers", *(f"in {n}" for n in names),
        title="by value; the share of rows that the 90% interval covers, and by register of how many",
    )  # fmt: skip
    keys = ("pairwise", "pairwise_far", "spearman", "mae", "error_sd", "coverage")
    for value, found in report.per_value.items():
        inside = (cells[value].get(name) for name in names)
        table.add_row(
            value, f"{found['rows']:.0f}", *(f"{found[key]:.2f}" for key in keys),
            *("" if cell is None else f"{cell.covered:.2f} of {cell.rows}" for cell in inside),
        )  # fmt: skip
    return table


def deciles(found: Sequence["Decile"]) -> Table:
    """By stated sd, the surest first."""
    table = Table(
        "stated sd", "rows", "error sd", "mae", "covers",
        title="rows that speak to their value (judged relevance ≥ .5), from the surest tenth to the least sure",
    )  # fmt: skip
    for one in found:
        row = (
            f"{one.stated:.2f}",
            str(one.rows),
            show_figure(one.error_sd),
            show_figure(one.mae),
            f"{one.coverage:.2f}",
        )
        table.add_row(*row)
    return table


def paraphrases(found: "Shift") -> Table:
    """How far scores move when a text is said in other words."""
    table = Table(
        "mean shift", "in stated sds", "same side of zero", "shift to another text",
        title=f"{found.pairs} texts and the same stance in other words: {found.rows} rows",
    )  # fmt: skip
    table.add_row(*(show_figure(f) for f in (found.mean, found.in_sds, found.same_side, found.of_strangers)))
    return table


def left_out(title: str, by: str, found: Mapping[str, tuple["Report", "Report"]]) -> Table:
    """Each group's figures with it and without it in the making."""
    table = Table(
        by, "rows", *(f"{name} {side}" for name in SIDES for side in ("with", "without")), title=title,
        caption="refitted: panel, words, mix and calibration; the network is kept, and it was trained on all of them",
    )  # fmt: skip
    for name, sides in found.items():
        figures = (show_figure(getattr(side, figure)) for figure in SIDES for side in sides)
        table.add_row(name, str(sides[0].rows), *figures)
    return table


def outside(version: str, found: Sequence["Agreement"]) -> Table:
    """AUC by set and value, and the means."""
    table = Table(
        "set", "asks", "value", "rows", "AUC", "averaged over values",
        title=f"gauge {version} and other people's labels, on texts that were not trained on",
        caption="stance: intensity tells for from against; relevance: relevance tells present from absent;"
        " 95% intervals over texts",
    )  # fmt: skip
    for one in found:
        table.add_row(one.source, one.asks, one.value, str(one.rows), show_figure(one.auc), f"{one.averaged:.2f}")
    for asks in dict.fromkeys(one.asks for one in found):
        mine = [one for one in found if one.asks == asks]
        auc, averaged = np.mean([one.auc.value for one in mine]), np.mean([one.averaged for one in mine])
        table.add_row("mean", asks, "", str(sum(one.rows for one in mine)), f"{auc:.2f}", f"{averaged:.2f}")
    return table


def show_figure(figure: "Figure | None") -> str:
    """The figure with its interval; nothing where there is none."""
    if figure is None:
        return ""
    value, low, high = (f"{x:.2f}".removeprefix("0") for x in (figure.value, figure.low, figure.high))
    return f"{value} [{low}, {high}]"
