"""`valueflow train` and `valueflow eval`: make the gauge from a VIDB, and say how good it is."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from anchors.values import DATA
from proxy.cli.shared import fail, read_settings

_out = Console(width=150)
VIDB = DATA / "vidb"
GAUGE = DATA / "gauge"
FIGURES = ("pairwise", "pairwise_far", "conflict", "spearman", "mae", "sign", "coverage")
_Folder = Annotated[Path, typer.Option(help="the VIDB's folder")]


def _prepared(vidb: Path, threads: int) -> tuple[Any, Any, Any]:
    """Rows, an encoder that remembers, and the encodings of all texts."""
    from anchors.encoder import Encoder
    from anchors.train.memory import Remembering
    from anchors.train.rows import read_rows
    from anchors.vidb.manifest import verify
    from anchors.vidb.texts import BrokenSet

    try:
        verify(vidb)
        rows = read_rows(vidb)
    except BrokenSet as error:
        raise fail(str(error)) from error
    settings = read_settings()
    encode = Remembering(Encoder(settings.encoder, device=settings.device or None, batch_size=32, threads=threads))
    _out.print(f"encoding {len(rows.texts)} texts with {encode.name} …")
    return rows, encode, encode([t.text for t in rows.texts])


def train(
    vidb: _Folder = VIDB,
    out: Annotated[Path, typer.Option(help="where the gauge is written")] = GAUGE,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Train the gauge from a VIDB; a few minutes on two cores."""
    from anchors import gauge
    from anchors.train.gauge import train as fit
    from anchors.values import catalogue
    from anchors.vidb.manifest import read_manifest

    rows, encode, encoding = _prepared(vidb, threads)
    version = str(read_manifest(vidb)["version"])
    made = gauge.save(fit(rows, encode, encoding, catalogue(), version, provisional=True), out)
    _out.print(f"gauge {made.version}: {len(made.values)} values, {len(made.anchor_id)} panel anchors, in {out}")


def evaluate(
    vidb: _Folder = VIDB,
    split: Annotated[str, typer.Option(help="test, or calibration while choosing")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Figures of the gauge on texts that it never saw, beside baselines, with 95% intervals over topics."""
    from anchors import evaluation, gauge
    from anchors.evaluator import Evaluator
    from anchors.train.gauge import Options
    from anchors.train.gauge import train as fit
    from anchors.values import catalogue

    rows, encode, encoding = _prepared(vidb, threads)
    ours = gauge.load(GAUGE)
    blind = fit(rows, encode, encoding, catalogue(), ours.vidb, provisional=True, options=Options(blind=True))
    held = rows.where("calibration" if split == "calibration" else "test")
    predictions = {"valueflow": evaluation.gauge_predictions(Evaluator(encode, ours), rows, held)}
    predictions |= evaluation.baselines(ours, blind, rows, held, encode, catalogue())
    reports = {name: evaluation.evaluate(p, rows, held) for name, p in predictions.items()}
    if as_json:
        print(json.dumps({name: report.as_dict() for name, report in reports.items()}))
        return
    texts = len(set(rows.text[held].tolist()))
    topics = len(set(rows.topics()[held].tolist()))
    table = Table(
        "method", *FIGURES,
        title=f"gauge {ours.version} on split {split}: {len(held)} rows of {texts} texts, {topics} topics",
        caption="mae in points of 20; conflict: rows of texts whose two values were ranked on opposite sides",
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
