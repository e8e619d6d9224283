"""`valueflow eval`: how good is the gauge, where is it worse, and on what was it not made with?

Knows which tables there are; the figures are made in `anchors`, and `tables.py` lays them out.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from proxy.cli import tables
from proxy.cli.gauge import VIDB, Folder, borrowed, offline_encoder
from proxy.cli.shared import fail, read_settings

if TYPE_CHECKING:
    from anchors.evaluator import Evaluator
    from anchors.train.leave_out import By
    from anchors.train.rows import Rows

_out = Console(width=175)
CHECK_ROUND = "check"


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every table needs: the evaluator, the VIDB's rows, and the numbers of those that are tested."""

    evaluator: "Evaluator"
    encode: Any
    read: Any
    rows: "Rows"
    held: Any
    vidb: Path
    split: str

    @property
    def title(self) -> str:
        topics, texts = (len(set(of[self.held].tolist())) for of in (self.rows.topics(), self.rows.text))
        return (
            f"gauge {self.evaluator.gauge.version} on split {self.split}:"
            f" {len(self.held)} rows of {texts} texts, {topics} topics"
        )


def evaluate(
    vidb: Folder = VIDB,
    split: Annotated[str, typer.Option(help="test, or calibration while choosing")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    judged_round: Annotated[str, typer.Option(help="a judge's round of windows that is not in the fit")] = CHECK_ROUND,
    leave_out: Annotated[
        str, typer.Option(help="writer, register or value: refit without each in turn, in seconds each")
    ] = "",
    public: Annotated[
        Path | None, typer.Option(help="folder with public labelled sets: agreement on rows not trained on")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="also draw plots into this folder; needs matplotlib")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Figures of the gauge on texts that it never saw, beside baselines, with 95% intervals over topics."""
    from anchors import gauge
    from anchors.evaluator import Evaluator
    from anchors.reader import load_reader
    from anchors.train.leave_out import GROUPINGS
    from anchors.train.memory import RememberingReader
    from anchors.train.rows import read_rows
    from anchors.vidb.manifest import verify

    if split not in ("test", "calibration"):
        raise fail(f"--split: expected test or calibration, found '{split}'")
    if leave_out not in ("", *GROUPINGS):
        raise fail(f"--leave-out: expected {', '.join(GROUPINGS)}, found '{leave_out}'")
    try:
        verify(vidb)
        rows = read_rows(vidb)
        encode = offline_encoder(threads)
        ours = gauge.load(read_settings().gauge_folder)
        read = RememberingReader(load_reader(ours.backbone, ours.network, read_settings().device))
        evaluator = Evaluator(encode, ours, read)
        bench = _Bench(
            evaluator, encode, read, rows, rows.where("test" if split == "test" else "calibration"), vidb, split
        )
        if leave_out:
            found = _left_out(bench, cast("By", leave_out))
        elif public is not None:
            found = _outside(bench, public)
        else:
            found = _whole(bench, judged_round, plots)
        plain = dict[str, Any]()
        for name, table, figures in found:
            plain[name] = figures
            if not as_json:
                _out.print(table)
    except (ValueError, OSError) as error:  # BrokenSet, BrokenGauge, and a set that is too small for a table
        raise fail(str(error)) from error
    if as_json:
        print(json.dumps(_without_nan(plain)))


def _without_nan(x: Any) -> Any:
    """Figures without rows are null: JSON knows no nan."""
    if isinstance(x, dict):
        return {key: _without_nan(value) for key, value in x.items()}
    if isinstance(x, list):
        return [_without_nan(value) for value in x]
    return None if isinstance(x, float) and np.isnan(x) else x


Found = Iterator[tuple[str, Table, Any]]
"""Name, table and plain figures."""


def _whole(bench: _Bench, judged_round: str, plots: Path | None) -> Found:
    from anchors import breakdown, evaluation
    from anchors.paraphrases import PARAPHRASES, read_paraphrases, shift
    from anchors.values import catalogue
    from anchors.vidb.rankings import read_rankings
    from proxy.cli.plots import draw

    rows, held = bench.rows, bench.held
    ours = evaluation.gauge_predictions(bench.evaluator, rows, held)
    if plots is not None:
        draw(ours, rows, held, plots)
    predictions = {"valueflow": ours} | evaluation.baselines(bench.evaluator, rows, held, bench.encode, catalogue())
    reports = {name: evaluation.evaluate(p, rows, held) for name, p in predictions.items()}
    rankings = read_rankings(bench.vidb) if (bench.vidb / "rankings.jsonl").exists() else []
    judged, which = evaluation.judge_predictions([r for r in rankings if r.round == judged_round], rows, held)
    if len(which):
        reports[f"a judge, on {len(which)} rows"] = evaluation.evaluate(judged, rows, which)
    yield "methods", tables.methods(bench.title, reports), {name: report.as_dict() for name, report in reports.items()}
    registers = breakdown.by_register(ours, rows, held)
    yield "registers", tables.registers(registers), {name: report.as_dict() for name, report in registers.items()}
    cells = breakdown.cells(ours, rows, held)
    yield (
        "coverage",
        tables.values(reports["valueflow"], cells),
        {v: {r: asdict(c) for r, c in of.items()} for v, of in cells.items()},
    )
    deciles = breakdown.by_stated_sd(ours, rows, held)
    yield "deciles", tables.deciles(deciles), [asdict(decile) for decile in deciles]
    pairs = read_paraphrases(PARAPHRASES, [rows.texts[t] for t in sorted(set(rows.text[held].tolist()))])
    if pairs:
        moved = shift(bench.evaluator, pairs)
        yield "paraphrases", tables.paraphrases(moved), asdict(moved)


def _left_out(bench: _Bench, by: "By") -> Found:
    """Each group and all together, by the gauge that was refitted without it and by the one that was not."""
    from anchors.evaluation import evaluate as report
    from anchors.evaluation import gauge_predictions, joined
    from anchors.train.leave_out import leave_out
    from anchors.train.statements import read_statements

    rows, held = bench.rows, bench.held
    whole = gauge_predictions(bench.evaluator, rows, held)
    statements = read_statements(bench.vidb, rows.values)
    left = list(leave_out(bench.evaluator.gauge, rows, held, bench.encode, bench.read, statements, by))
    every = np.concatenate([one.places for one in left])
    groups = [(one.name, one.places, one.predictions) for one in left]
    groups.append(("all", every, joined([one.predictions for one in left])))
    found = {
        name: (report(whole.only(places), rows, held[places]), report(without, rows, held[places]))
        for name, places, without in groups
    }
    yield (
        "left_out",
        tables.left_out(f"{bench.title}: with, and refitted without, each {by}", by, found),
        {name: {"with": a.as_dict(), "without": b.as_dict()} for name, (a, b) in found.items()},
    )


def _outside(bench: _Bench, folder: Path) -> Found:
    from anchors.outside import agreement
    from anchors.train.public import public_examples, untrained_claims

    values = bench.evaluator.values
    trained = {e.text for e in public_examples(folder, values)} | set(borrowed(bench.vidb, folder).values())
    found = agreement(bench.evaluator, untrained_claims(folder, values, trained))
    yield "public", tables.outside(bench.evaluator.gauge.version, found), [asdict(one) for one in found]
