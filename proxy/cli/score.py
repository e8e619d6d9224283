"""`valueflow score`: measure texts from the command line, one or a file of them."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from proxy.cli.shared import bar, fail, read_scoring, read_settings

if TYPE_CHECKING:
    from proxy.second import Scoring

_out = Console()
AT_ONCE = 64
"""Lines that are measured together."""


def score(
    text: Annotated[str | None, typer.Argument(help="the text to score")] = None,
    values: Annotated[str, typer.Option(help="value names, comma separated; all without it")] = "",
    question: Annotated[
        str, typer.Option(help="the question that the text answers; a model reads it, the local gauge does not")
    ] = "",
    jsonl: Annotated[
        Path | None, typer.Option(help="score a file of {text, question?, values} lines; - for stdin")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    explain: Annotated[bool, typer.Option(help="show the anchors just below and above")] = False,
) -> None:
    """Measure how strongly a text expresses values, by the local gauge or the model of VALUEFLOW_GAUGE_MODEL."""
    if (text is None) == (jsonl is None):
        raise fail("give either a text or --jsonl FILE")
    names = [v for v in values.split(",") if v.strip()]
    asyncio.run(_score(text, names, question, jsonl, as_json, explain))


async def _score(
    text: str | None, names: list[str], question: str, jsonl: Path | None, as_json: bool, explain: bool
) -> None:
    from anchors.evaluator import Text
    from proxy.errors import ApiError

    async with read_scoring(read_settings()) as (scoring, every):
        try:
            if jsonl is not None:
                await _score_lines(scoring, every, jsonl)
                return
            scores = (await scoring.score([Text(text or "", question)], _resolved(names, every) or every))[0]
        except ApiError as error:
            raise fail(error.message) from error
    if as_json:
        print(json.dumps({"scores": _plain(scores), "evaluator": scoring.version}))
    else:
        _show(scores, scoring.version, explain)


def _show(scores: Any, version: str, explain: bool) -> None:
    from anchors.score import Score

    table = Table(
        "value",
        "intensity",
        "-10        0       +10",
        "90% interval",
        "relevance",
        title=f"evaluator {version}",
    )
    for name, found in scores.items():
        if isinstance(found, Score):
            table.add_row(
                name, f"{found.intensity:+.1f} ± {found.sd:.1f}", bar(found.low, found.intensity, found.high),
                f"{found.low:+.1f} to {found.high:+.1f}", f"{found.relevance:.2f}",
            )  # fmt: skip
        else:
            table.add_row(name, found.reason, "", "", "")
    _out.print(table)
    for name, found in scores.items():
        for side in ("below", "above"):
            near = getattr(found, side, None) if explain else None
            if near is not None:
                _out.print(
                    f"{name} {side}: {near.intensity:+.1f} {near.id}: {near.text}", markup=False, highlight=False
                )


def _resolved(names: list[str], every: list[str]) -> list[str]:
    from anchors.values import UnknownValue, catalogue

    try:
        found = [catalogue().resolve(name).id for name in names]
    except UnknownValue as error:
        raise fail(str(error)) from error
    if missing := [name for name in found if name not in every]:
        raise fail(f"the gauge does not measure {missing[0]}")
    return found


def _plain(scores: Any) -> dict[str, Any]:
    from anchors.score import Score
    from proxy.render import score_fields

    return {n: score_fields(s) if isinstance(s, Score) else {"unscored": s.reason} for n, s in scores.items()}


async def _score_lines(scoring: "Scoring", every: list[str], path: Path) -> None:
    """One result a line, in order, in batches; a bad line ends it, naming file, line and field."""
    from anchors.evaluator import Text

    batch: list[tuple[Text, list[str]]] = []

    async def flush() -> None:
        for (scores,) in await asyncio.gather(*(scoring.score([t], wanted) for t, wanted in batch)):
            print(json.dumps({"scores": _plain(scores), "evaluator": scoring.version}))
        batch.clear()

    for number, line in _lines(path):
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise fail(f"{place}: not JSON: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise fail(f"{place}: text: must be a string")
        if not isinstance(row.get("values"), list) or not all(isinstance(v, str) for v in row["values"]):
            raise fail(f"{place}: values: must be a list of value names")
        if not isinstance(row.get("question") or "", str):
            raise fail(f"{place}: question: must be a string")
        batch.append((Text(row["text"], row.get("question") or ""), _resolved(row["values"], every)))
        if len(batch) == AT_ONCE:
            await flush()
    await flush()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if str(path) == "-":
        yield from ((n, line) for n, line in enumerate(sys.stdin, start=1) if line.strip())
        return
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((n, line) for n, line in enumerate(file, start=1) if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{path}: {error}") from error
