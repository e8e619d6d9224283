"""`valueflow train` and `valueflow eval`: make the gauge from a VIDB, and say how good it is."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from anchors.values import DATA, GAUGE
from proxy.cli.shared import fail, read_settings

_out = Console(width=150)
VIDB = DATA / "vidb"
CHECK_ROUND = "check"
FIGURES = ("pairwise", "pairwise_far", "conflict", "spearman", "mae", "sign", "coverage")
_Folder = Annotated[Path, typer.Option(help="the VIDB's folder")]


def _encoder(threads: int) -> Any:
    """The configured encoder, remembering what it read."""
    from anchors.encoder import Encoder
    from anchors.train.memory import Remembering

    settings = read_settings()
    return Remembering(Encoder(settings.encoder, device=settings.device or None, batch_size=32, threads=threads))


def train(
    vidb: _Folder = VIDB,
    out: Annotated[Path, typer.Option(help="where the gauge is written")] = GAUGE,
    public: Annotated[Path | None, typer.Option(help="folder with public labelled sets, for better weights")] = None,
    network: Annotated[
        Path | None, typer.Option(help="folder of a gauge whose network is kept; takes a minute")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Train the gauge from a VIDB; about an hour on two cores with AMX."""
    from anchors import gauge
    from anchors.train import gauge as training
    from anchors.train.public import borrowed_texts, public_examples
    from anchors.train.rows import read_rows
    from anchors.train.statements import read_statements
    from anchors.values import catalogue
    from anchors.vidb.manifest import read_manifest, verify
    from anchors.vidb.texts import BrokenSet, read_jsonl

    try:
        verify(vidb)
        listed = {}
        if public is not None and (vidb / "borrowed.jsonl").exists():
            listed = {row["sha256"]: row["id"] for _, row in read_jsonl(vidb / "borrowed.jsonl")}
        rows = read_rows(vidb, borrowed_texts(public, listed) if public is not None else None)
        statements = read_statements(vidb, rows.values)
        version = str(read_manifest(vidb)["version"])
        if network is not None:
            kept = gauge.load(network)
            if kept.values != rows.values:
                raise ValueError("the gauge measures other values than the set")
            made = training.made(rows, _encoder(threads), catalogue(), kept.backbone, kept.network, version, statements)
        else:
            examples = public_examples(public, rows.values) if public is not None else []
            made = training.train_gauge(
                rows, _encoder(threads), catalogue(), version, examples, statements, tell=_out.print
            )
    except (BrokenSet, gauge.BrokenGauge, ValueError, OSError) as error:
        raise fail(str(error)) from error
    made = gauge.save(made, out)
    _out.print(f"gauge {made.version}: {len(made.values)} values, {len(made.anchor_id)} panel anchors, in {out}")


def evaluate(
    vidb: _Folder = VIDB,
    split: Annotated[str, typer.Option(help="test, or calibration while choosing")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    judged_round: Annotated[str, typer.Option(help="a judge's round of windows that is not in the fit")] = CHECK_ROUND,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Figures of the gauge on texts that it never saw, beside baselines, with 95% intervals over topics."""
    from anchors import evaluation, gauge
    from anchors.evaluator import Evaluator
    from anchors.reader import load_reader
    from anchors.train.memory import RememberingReader
    from anchors.train.rows import read_rows
    from anchors.values import catalogue
    from anchors.vidb.manifest import verify
    from anchors.vidb.rankings import read_rankings
    from anchors.vidb.texts import BrokenSet

    try:
        verify(vidb)
        rows = read_rows(vidb)
        ours = gauge.load(read_settings().gauge_folder)
        rankings = read_rankings(vidb) if (vidb / "rankings.jsonl").exists() else []
    except (BrokenSet, gauge.BrokenGauge) as error:
        raise fail(str(error)) from error
    encode = _encoder(threads)
    evaluator = Evaluator(encode, ours, RememberingReader(load_reader(ours.backbone, ours.network)))
    held = rows.where("calibration" if split == "calibration" else "test")
    predictions = {"valueflow": evaluation.gauge_predictions(evaluator, rows, held)}
    predictions |= evaluation.baselines(evaluator, rows, held, encode, catalogue())
    reports = {name: evaluation.evaluate(p, rows, held) for name, p in predictions.items()}
    judged, which = evaluation.judge_predictions([r for r in rankings if r.round == judged_round], rows, held)
    if len(which):
        reports[f"a judge, on {len(which)} rows"] = evaluation.evaluate(judged, rows, which)
    if as_json:
        print(json.dumps({name: report.as_dict() for name, report in reports.items()}))
        return
    texts = len(set(rows.text[held].tolist()))
    topics = len(set(rows.topics()[held].tolist()))
    table = Table(
        "method", *FIGURES,
        title=f"gauge {ours.version} on split {split}: {len(held)} rows of {texts} texts, {topics} topics",
        caption="mae in points of 20; conflict: rows of texts whose two values were ranked on opposite sides;"
        " a judge: one window of a judge whose rankings are not in the fit, each text read against the others",
    )  # fmt: skip
    for name, report in reports.items():
        table.add_row(name, *(_figure(getattr(report, f)) for f in FIGURES))
    _out.print(table)
    each = Table(
        "value", "rows", "pairwise", "≥3 apart", "spearman", "mae", "error sd", "coverage", title="valueflow by value"
    )
    for value, found in reports["valueflow"].per_value.items():
        keys = ("pairwise", "pairwise_far", "spearman", "mae", "error_sd", "coverage")
        each.add_row(value, f"{found['rows']:.0f}", *(f"{found[k]:.2f}" for k in keys))
    _out.print(each)


def _figure(figure: Any) -> str:
    return "" if figure is None else f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"
