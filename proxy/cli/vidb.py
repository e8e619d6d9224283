"""`valueflow vidb`: build, rank, fit, check, describe and exchange anchor databases."""

import asyncio
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from anchors.values import DATA, Catalogue, catalogue, load
from anchors.vidb.texts import BrokenSet, VidbText, read_jsonl, read_texts, write_jsonl
from anchors.vidb.windows import Window
from proxy.cli.shared import fail, read_settings

vidb = typer.Typer(no_args_is_help=True, help="Anchor databases: texts, rankings, intensities.")
_out = Console()
SHIPPED = DATA / "vidb"
_Folder = Annotated[Path, typer.Argument(help="the VIDB's folder")]
_EXAMPLE = """# Your own values: theory/name, and what each of them means. Other fields as in the product's values.yaml.
house/thrift:
  definition: "spending little, wasting nothing and keeping what still works"
"""


def _values(folder: Path) -> Catalogue:
    """The folder's own values beside the product's."""
    own = folder / "values.yaml"
    try:
        return catalogue() if not own.exists() else Catalogue([*catalogue().values(), *load(own).values()])
    except ValueError as error:
        raise fail(str(error)) from error


def _texts(folder: Path) -> dict[str, VidbText]:
    try:
        return read_texts(folder)
    except BrokenSet as error:
        raise fail(str(error)) from error


def _windows(folder: Path) -> dict[str, Window]:
    path = folder / "windows.jsonl"
    if not path.exists():
        raise fail(f"{path}: no windows yet, run 'valueflow vidb windows' first")
    rows = (row for _, row in read_jsonl(path))
    return {row["id"]: Window(row["id"], row["round"], row["value"], tuple(row["texts"])) for row in rows}


@vidb.command()
def new(folder: _Folder) -> None:
    """Make an empty VIDB with an example value, to be filled with texts."""
    if folder.exists() and any(folder.iterdir()):
        raise fail(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "values.yaml").write_text(_EXAMPLE, "utf-8")
    write_jsonl(folder / "topics.jsonl", [{"topic": "kitchen", "split": "panel"}, {"topic": "travel", "split": "test"}])
    example: dict[str, object] = {
        "id": "t1",
        "register": "statement",
        "topic": "kitchen",
        "text": "I boil the bones twice.",
    }
    example |= {"values": ["house/thrift"], "writer": "me"}
    write_jsonl(folder / "texts.jsonl", [example])
    _out.print(f"{folder}: describe your values in values.yaml, write texts.jsonl (200 a value are a good set), then:")
    _out.print(f"  valueflow vidb windows {folder} --round r1", highlight=False)


@vidb.command()
def windows(
    folder: _Folder,
    round_: Annotated[str, typer.Option("--round", help="a name for this round of rankings")],
    adaptive: Annotated[bool, typer.Option(help="let neighbours on the current scale meet; needs a fit")] = False,
    per_judge: Annotated[int, typer.Option(help="windows a judge reads")] = 100,
    seed: Annotated[int, typer.Option(help="of the random draw")] = 0,
) -> None:
    """Draw windows of eight texts and write a sheet for each judge; no judge reads a text twice."""
    from anchors.vidb.scale import read_intensities
    from anchors.vidb.windows import adaptive_round, random_round, share_out, sheet

    texts, values = _texts(folder), _values(folder)
    known = _windows(folder) if (folder / "windows.jsonl").exists() else {}
    if any(w.round == round_ for w in known.values()):
        raise fail(f"round '{round_}' is there already")
    rows: dict[str, list[str]] = {}
    for text in texts.values():
        for value in text.values:
            if value not in values:
                raise fail(f"text {text.id}: unknown value '{value}'")
            rows.setdefault(value, []).append(text.id)
    try:
        if adaptive:
            scale = {(r.text, r.value): r.intensity for r in read_intensities(folder)}
            drawn = adaptive_round(round_, rows, scale, seed)
        else:
            drawn = random_round(round_, rows, seed)
    except (BrokenSet, KeyError) as error:
        raise fail(f"an adaptive round needs every text fitted: {error}") from error
    write_jsonl(folder / "windows.jsonl", (asdict(w) for w in [*known.values(), *drawn]))
    shared = share_out(drawn, per_judge)
    for number, part in enumerate(shared, start=1):
        (folder / f"{round_}-{number:02d}.sheet.txt").write_text(sheet(part, texts, values), "utf-8")
    _out.print(f"{len(drawn)} windows for {len(shared)} judges: {folder}/{round_}-NN.sheet.txt", highlight=False)


@vidb.command("import-rankings")
def import_rankings(
    folder: _Folder,
    file: Annotated[
        Path, typer.Argument(help="lines such as 'r1.house.thrift.000: 5 C A 4 H 3 B D 2 E G 1 F | off: D'")
    ],
    judge: Annotated[str, typer.Option(help="who ranked them")],
) -> None:
    """Take a judge's rankings back; all or nothing, and every error names file and line."""
    from anchors.vidb.rankings import add_rankings, parse_sheet

    try:
        found = parse_sheet(file.read_text("utf-8").splitlines(), _windows(folder), judge, str(file))
        add_rankings(folder, found)
    except (BrokenSet, OSError, UnicodeDecodeError) as error:
        raise fail(str(error)) from error
    _out.print(f"{len(found)} rankings by {judge}")


@vidb.command("judge")
def judge_(
    folder: _Folder,
    model: Annotated[str, typer.Option(help="a model of the models file (VALUEFLOW_MODELS)")],
    round_: Annotated[str, typer.Option("--round", help="the round to rank")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before it starts")] = False,
) -> None:
    """Rank a round's windows with a model; what is ranked already is not asked again."""
    from anchors.vidb import judge as judging
    from anchors.vidb.rankings import add_rankings, read_rankings

    texts, values = _texts(folder), _values(folder)
    name = f"{model}:{round_}"
    done = (
        {r.window for r in read_rankings(folder) if r.judge == name} if (folder / "rankings.jsonl").exists() else set()
    )
    todo = [w for w in _windows(folder).values() if w.round == round_ and w.id not in done]
    if not todo:
        raise fail(f"no window of round '{round_}' is left")
    tokens = sum(len(judging.prompt(w, texts, values)) for w in todo) // 4
    _out.print(f"{len(todo)} windows ({len(done)} done), about {tokens:,} prompt and {len(todo) * 40:,} answer tokens")
    if not yes and not typer.confirm("Start?"):
        raise typer.Exit(1)

    async def run() -> int:
        failed = 0
        async with _completing(model) as complete:
            with Progress(console=_out) as progress:
                task = progress.add_task(name, total=len(todo))
                async for found in judging.judge(todo, texts, values, complete, name):
                    if isinstance(found, BrokenSet):
                        failed += 1
                        progress.console.print(str(found), markup=False)
                    else:
                        add_rankings(folder, [found])
                    progress.advance(task)
        return failed

    failed = asyncio.run(run())
    _out.print(f"{len(todo) - failed} ranked, {failed} without a permutation" + (": run it again" if failed else ""))


def _completing(model: str) -> Any:
    """An async context with a function from prompt to answer, over one of the operator's models."""
    from contextlib import asynccontextmanager

    from proxy.errors import ApiError
    from proxy.product import make_routes
    from proxy.upstreams.ask import ask
    from proxy.upstreams.compatible import pooled_client
    from proxy.upstreams.upstream import InvalidModels, load_models

    settings = read_settings()
    try:
        models = load_models(settings.models)
    except InvalidModels as error:
        raise fail(str(error)) from error
    if model not in models:
        raise fail(f"model '{model}' is not in {settings.models}")

    @asynccontextmanager
    async def opened() -> Any:
        client = pooled_client(4)
        try:
            route = (await make_routes(models, client, settings, only=model))[model]

            asked = ask(route, settings.upstream_repeats)

            async def complete(prompt: str) -> str:
                try:
                    return await asked(prompt)
                except ApiError as error:
                    raise fail(error.message) from error

            yield complete
        finally:
            await client.aclose()

    return opened()


@vidb.command()
def fit(
    folder: _Folder,
    licence: Annotated[str, typer.Option(help="of the texts")] = "CC-BY-4.0",
) -> None:
    """Fit intensities to all rankings, and write the manifest."""
    from anchors.vidb.flags import against_level, bad_windows
    from anchors.vidb.manifest import write_manifest
    from anchors.vidb.rankings import read_rankings
    from anchors.vidb.scale import intensities, write_intensities
    from anchors.vidb.stats import CHECK_ROUND

    try:
        rankings = [r for r in read_rankings(folder) if not r.round.startswith(CHECK_ROUND)]
        rows, fits = intensities(rankings)
    except (BrokenSet, ValueError) as error:
        raise fail(str(error)) from error
    write_intensities(folder, rows)
    flags = [*against_level(_texts(folder), rows), *bad_windows(rankings, fits)]
    write_jsonl(folder / "flags.jsonl", (asdict(flag) for flag in flags))
    about = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "licence": licence,
        "values": len(fits),
        "judges": dict(sorted(Counter(r.judge for r in rankings).items())),
        "rounds": dict(sorted(Counter(r.round for r in rankings).items())),
    }
    manifest = write_manifest(folder, about)
    table = Table("value", "texts", "prior sd", "cards", "gap to reversed fit", title=f"VIDB {manifest['version']}")
    for value, found in fits.items():
        cards = " ".join(f"{c:+.1f}" for c in found.cards)
        table.add_row(value, str(len(found.items) - 5), f"{found.fit.prior_sd:.2f}", cards, f"{found.gap:.2f}")
    _out.print(table)
    _out.print(f"{len(flags)} flags in {folder / 'flags.jsonl'}: texts to read again")


@vidb.command()
def check(
    folder: _Folder = SHIPPED,
    quick: Annotated[bool, typer.Option(help="leave out the near-duplicates, which need the encoder")] = False,
) -> None:
    """Look for what a good set must not have; the exit status says whether there is any."""
    from anchors.encoder import Encoder
    from anchors.vidb import check as checks
    from anchors.vidb.manifest import verify

    texts = _texts(folder)
    try:
        verify(folder)
    except BrokenSet as error:
        raise fail(str(error)) from error
    found = {
        "copied phrases": list(checks.shared_runs(texts)),
        "questions in two splits": list(checks.questions_in_two_splits(texts)),
        "thin values": list(checks.thin_values(texts)),
    }
    if not quick:
        settings = read_settings()
        encoder = Encoder(settings.encoder, device=settings.device or None, threads=settings.threads)
        found["near-duplicates across splits"] = list(checks.near_duplicates(texts, encoder))
    for name, problems in found.items():
        _out.print(f"{name}: {len(problems)}")
        for problem in problems[:20]:
            _out.print("  " + problem, markup=False, highlight=False)
    if any(found.values()):
        raise typer.Exit(1)


@vidb.command()
def stats(
    folder: _Folder = SHIPPED,
    datasheet: Annotated[Path | None, typer.Option(help="also write a datasheet with plots to this .md file")] = None,
) -> None:
    """What a set holds and how reliable it is."""
    from anchors.vidb.stats import describe

    try:
        figures = describe(folder)
    except (BrokenSet, ValueError) as error:
        raise fail(str(error)) from error
    overall = Table("figure", "value", title=f"VIDB {figures.version}")
    for name, value in figures.overall.items():
        overall.add_row(name, value)
    _out.print(overall)
    table = Table("value", "texts", "panel", "steer", "calibration", "test", "conflict", "reliability")
    for value, row in figures.by_value.items():
        table.add_row(
            value, *(str(row[k]) for k in ("texts", "panel", "steer", "calibration", "test", "conflict", "reliability"))
        )
    _out.print(table)
    if datasheet is not None:
        from anchors.vidb.datasheet import write_datasheet

        write_datasheet(figures, datasheet)
        _out.print(f"wrote {datasheet}")


@vidb.command()
def export(folder: _Folder, out: Annotated[Path, typer.Argument(help=".jsonl, .csv or .parquet")]) -> None:
    """Write every row: id, value, text, question, register, topic, writer, level, split, intensity, sd, windows."""
    from anchors.vidb.exchange import export as write

    try:
        _out.print(f"{write(folder, out)} rows in {out}")
    except (BrokenSet, OSError) as error:
        raise fail(str(error)) from error


@vidb.command("import")
def import_(
    table: Annotated[Path, typer.Argument(help="a table with text, value and intensity: .jsonl, .csv or .parquet")],
    folder: _Folder,
) -> None:
    """Make a VIDB from a table, such as a published set or a company's own."""
    from anchors.vidb.exchange import import_table

    if folder.exists() and any(folder.iterdir()):
        raise fail(f"{folder} is not empty")
    try:
        _out.print(f"{import_table(table, folder)} rows in {folder}")
    except BrokenSet as error:
        raise fail(str(error)) from error
