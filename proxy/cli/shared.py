"""What all commands share: settings read once, and errors shown as one message without a traceback."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from pydantic import ValidationError
from rich.console import Console

from proxy.settings import Settings, unknown_variables

if TYPE_CHECKING:
    from anchors.evaluator import Evaluator
    from proxy.second import Scoring

err = Console(stderr=True)


def fail(message: str) -> typer.Exit:
    """Show the message; raise what this returns."""
    err.print(message, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)


def read_settings() -> Settings:
    """The settings, or an exit that names the variable; what is no setting is told."""
    for sentence in unknown_variables():
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = f"VALUEFLOW_{str(item['loc'][0]).upper()}: " if item["loc"] else ""
            lines.append(name + str(item["msg"]).removeprefix("Value error, "))
        raise fail("\n".join(lines)) from error


def read_evaluator(settings: Settings) -> "Evaluator":
    """The local evaluator on the settings' gauge, or an exit that says what is wrong with it."""
    from anchors.encoder import CorruptModel
    from anchors.evaluator import default_evaluator
    from anchors.gauge import BrokenGauge

    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        return default_evaluator(
            settings.encoder,
            settings.device or None,
            settings.scoring_batch,
            settings.threads,
            settings.gauge_folder,
            settings.precision,
        )
    except (BrokenGauge, CorruptModel, OSError, ValueError) as error:
        raise fail(str(error)) from error


@asynccontextmanager
async def read_scoring(settings: Settings) -> "AsyncIterator[tuple[Scoring, list[str]]]":
    """What measures by the settings, a model or the local gauge, and its values; or an exit that says what is wrong."""
    from anchors.queue import ScoringQueue
    from proxy.product import check_judges, judge_of, make_routes
    from proxy.upstreams.compatible import pooled_client
    from proxy.upstreams.upstream import InvalidModels, load_models

    model = settings.gauge_model
    try:
        models = load_models(settings.models) if model else {}
        check_judges(settings.model_copy(update={"second_model": ""}), models)
    except InvalidModels as error:
        raise fail(str(error)) from error
    evaluator = read_evaluator(settings)
    values = list(evaluator.values)
    client = pooled_client(settings.upstream_connections)
    try:
        if model:
            route = (await make_routes(models, client, settings, only=model))[model]
            yield judge_of(model, route, evaluator, settings), values
            for member in route.members:
                await member.upstream.close()
        else:
            queue = ScoringQueue(evaluator, batch=settings.scoring_batch)
            queue.start()
            yield queue, values
            await queue.stop()
    finally:
        await client.aclose()


def make_folder_of(database: str) -> None:
    """A SQLite file's folder is made; other databases have none."""
    if (path := _file_of(database)) is not None:
        path.parent.mkdir(parents=True, exist_ok=True)


def refuse_without(database: str) -> None:
    """An exit where a SQLite file that is only to be read does not exist."""
    if (path := _file_of(database)) is not None and not path.exists():
        raise fail(f"VALUEFLOW_DATABASE: there is no database {path} yet; `valueflow serve` and `study` make it")


def _file_of(database: str) -> Path | None:
    scheme, _, path = database.partition(":///")
    return Path(path) if scheme.startswith("sqlite") and path and path != ":memory:" else None


def bar(low: float, middle: float, high: float, width: int = 21) -> str:
    """A scale from -10 to +10 with an interval and the point in it."""

    def place(x: float) -> int:
        return round((min(max(x, -10.0), 10.0) + 10) / 20 * (width - 1))

    cells = ["·"] * width
    cells[width // 2] = "|"
    for at in range(place(low), place(high) + 1):
        cells[at] = "─"
    cells[place(middle)] = "●"
    return "".join(cells)
