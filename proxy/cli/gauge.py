"""`valueflow train`: make the gauge from a VIDB."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from anchors.values import DATA, GAUGE
from proxy.cli.shared import fail, read_settings

_out = Console(width=150)
VIDB = DATA / "vidb"
Folder = Annotated[Path, typer.Option(help="the VIDB's folder")]


def offline_encoder(threads: int) -> Any:
    """The configured encoder, remembering what it read."""
    from anchors.encoder import Encoder
    from anchors.train.memory import Remembering

    settings = read_settings()
    return Remembering(Encoder(settings.encoder, device=settings.device or None, batch_size=32, threads=threads))


def borrowed(vidb: Path, public: Path) -> dict[str, str]:
    """Other people's texts that the VIDB ranked, by id, as far as the folder of public sets has them."""
    from anchors.train.public import borrowed_texts
    from anchors.vidb.texts import read_jsonl

    path = vidb / "borrowed.jsonl"
    return borrowed_texts(public, {row["sha256"]: row["id"] for _, row in read_jsonl(path)} if path.exists() else {})


def train(
    vidb: Folder = VIDB,
    out: Annotated[Path, typer.Option(help="where the gauge is written")] = GAUGE,
    public: Annotated[Path | None, typer.Option(help="folder with public labelled sets, for better weights")] = None,
    network: Annotated[Path | None, typer.Option(help="folder of a gauge whose network is kept; takes minutes")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Train the gauge from a VIDB; about an hour on two cores with AMX."""
    from anchors import gauge
    from anchors.train import gauge as training
    from anchors.train.public import public_examples
    from anchors.train.rows import read_rows
    from anchors.train.statements import read_statements
    from anchors.values import catalogue
    from anchors.vidb.manifest import read_manifest, verify
    from anchors.vidb.texts import BrokenSet

    try:
        verify(vidb)
        rows = read_rows(vidb, borrowed(vidb, public) if public is not None else None)
        statements = read_statements(vidb, rows.values)
        version = str(read_manifest(vidb)["version"])
        encoder = offline_encoder(threads)
        if network is not None:
            kept = gauge.load(network)
            if kept.values != rows.values:
                raise ValueError("the gauge measures other values than the set")
            made = training.made(rows, encoder, catalogue(), kept.backbone, kept.network, version, statements)
        else:
            examples = public_examples(public, rows.values) if public is not None else []
            made = training.train_gauge(rows, encoder, catalogue(), version, examples, statements, tell=_out.print)
    except (BrokenSet, gauge.BrokenGauge, ValueError, OSError) as error:
        raise fail(str(error)) from error
    made = gauge.save(made, out)
    _out.print(f"gauge {made.version}: {len(made.values)} values, {len(made.anchor_id)} panel anchors, in {out}")
