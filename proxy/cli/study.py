"""`valueflow study MODEL`: measure a model's dose curves ahead, so that the first requests are steered well."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from proxy.cli.shared import err, fail, make_folder_of, read_scoring, read_settings

if TYPE_CHECKING:
    from proxy.settings import Settings
    from proxy.study import Task
    from proxy.upstreams.upstream import Entry

_out = Console()
TOKENS = 450
"""What an answer with its prompt takes, about."""


def study(
    model: Annotated[str, typer.Argument(help="the model, as the model file names it")],
    values: Annotated[str, typer.Option(help="value names, comma separated")] = "",
    doses: Annotated[str, typer.Option(help="doses of the ladder, comma separated")] = "-1,-0.6,-0.3,0,0.1,0.3,0.6,1",
    prompts: Annotated[int, typer.Option(help="questions for each dose", min=1, max=1000)] = 10,
    questions: Annotated[Path | None, typer.Option(help="a file of questions of your own, one a line")] = None,
    out: Annotated[Path, typer.Option(help="folder for rows and report")] = Path("var/study"),
    seed: Annotated[int | None, typer.Option(help="draw these questions; give it again to resume")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before it starts")] = False,
) -> None:
    """Ask a model at every dose, measure, keep the curves, and write a report; a study that was cut off is resumed."""
    from anchors.values import UnknownValue, catalogue
    from policies.instruct import RUNGS
    from proxy.study import StudyFailed, tasks
    from proxy.study import questions as read_questions
    from proxy.upstreams.upstream import InvalidModels, load_models

    settings = read_settings()
    try:
        names = [catalogue().resolve(v).id for v in values.split(",") if v.strip()] or list(catalogue())
        rungs = [float(d) for d in doses.split(",")]
        asked = read_questions(questions)
    except (UnknownValue, ValueError, OSError) as error:
        raise fail(str(error)) from error
    try:
        models = load_models(settings.models)
    except InvalidModels as error:
        raise fail(str(error)) from error
    if model not in models:
        raise fail(f"there is no model '{model}' in {settings.models}")
    if unknown := [d for d in rungs if d not in RUNGS]:
        raise fail(f"no such dose: {unknown[0]:g}; the ladder has {', '.join(f'{r:g}' for r in RUNGS)}")
    seed = secrets.randbelow(10**6) if seed is None else seed
    todo = tasks(names, rungs, asked, prompts, seed)
    _out.print(
        f"{len(todo)} answers of {model} on {len(names)} values, about {len(todo) * TOKENS:,} tokens; seed {seed}"
        f" (to resume: --seed {seed} with the same options)"
    )
    if not yes and not typer.confirm("Start?"):
        raise typer.Exit(1)
    try:
        asyncio.run(_study(settings, models, model, todo, seed, out))
    except StudyFailed as error:
        raise fail(f"{error}; resume with --seed {seed}") from error


async def _study(
    settings: "Settings", models: "Mapping[str, Entry]", model: str, todo: "list[Task]", seed: int, out: Path
) -> None:
    from policies.plant import STUDY, Plant
    from proxy import study as work
    from proxy.product import make_routes
    from proxy.store.curves import Curves
    from proxy.store.database import Database
    from proxy.study_page import page
    from proxy.upstreams.compatible import pooled_client

    async with read_scoring(settings) as (scoring, _):
        path = out / f"{model}-{scoring.version}-{seed}.jsonl".replace("/", "_")
        make_folder_of(settings.database)
        database, client = Database(settings.database), pooled_client(work.TOGETHER)
        route = None
        try:
            await database.open()
            route = replace((await make_routes(models, client, settings, only=model))[model], fallbacks=())
            columns = (
                "[progress.description]{task.description}",
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            with Progress(*columns, console=err) as progress:
                shown = progress.add_task(f"asking {model}", total=len(todo))
                async for finished in work.study(todo, route, scoring, path, settings.upstream_repeats):
                    progress.update(shown, completed=finished)
            rows = work.read(path)
            curves = Curves(database)
            await curves.load(scoring.version)
            await work.keep(rows, model, scoring.version, curves)
            report = path.with_suffix(".html")
            report.write_text(page(rows, Plant(curves, STUDY, model, scoring.version), seed), encoding="utf-8")
            _out.print(f"{len(rows)} measurements in {path}, report in {report}")
        finally:
            for member in route.members if route is not None else ():
                await member.upstream.close()
            await client.aclose()
            await database.close()
