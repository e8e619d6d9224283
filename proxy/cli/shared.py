"""What all commands share: settings read once, and errors shown as one message without a traceback."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from pydantic import ValidationError
from rich.console import Console

from proxy.settings import Settings

if TYPE_CHECKING:
    from anchors.evaluator import Evaluator

err = Console(stderr=True)


def fail(message: str) -> typer.Exit:
    """Show the message; raise what this returns."""
    err.print(message, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)


def read_settings() -> Settings:
    """The settings, or an exit that names the variable."""
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


def make_folder_of(database: str) -> None:
    """A SQLite file's folder is made; other databases have none."""
    scheme, _, path = database.partition(":///")
    if scheme.startswith("sqlite") and path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)


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
