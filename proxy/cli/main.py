"""The `valueflow` command. Knows arguments and how results are shown; the work is done elsewhere."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from proxy.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Hold a language model to a value profile.")
keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke tenants' keys.")
app.add_typer(keys, name="keys")
_out, _err = Console(), Console(stderr=True)


def _fail(message: str) -> typer.Exit:
    _err.print(message, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = f"VALUEFLOW_{str(item['loc'][0]).upper()}: " if item["loc"] else ""
            lines.append(name + str(item["msg"]).removeprefix("Value error, "))
        raise _fail("\n".join(lines)) from error


@app.command()
def serve() -> None:
    """Serve the API and, on its own port, the metrics. Settings come from VALUEFLOW_* variables."""
    from anchors.encoder import CorruptModel
    from anchors.gauge import BrokenGauge
    from policies.load import InvalidPolicies
    from proxy.serve import serve as run
    from proxy.upstreams.upstream import InvalidModels

    settings = _settings()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "httpcore", "sentence_transformers", "transformers", "LiteLLM", "aiosqlite"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    _make_folder_of(settings.database)
    try:
        asyncio.run(
            run(settings, lambda product, port, admin: _announce(settings, list(product.upstreams), port, admin))
        )
    except KeyboardInterrupt:
        _err.print("stopped")
    except (InvalidPolicies, InvalidModels, BrokenGauge, CorruptModel, OSError) as error:
        raise _fail(str(error)) from error


def _make_folder_of(database: str) -> None:
    scheme, _, path = database.partition(":///")
    if scheme.startswith("sqlite") and path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)


def _announce(settings: Settings, models: list[str], port: int, admin_port: int) -> None:
    from proxy.settings import DEMO_KEY

    address = f"http://{settings.host}:{port}"
    _out.print(f"\nvalueflow is ready on {address} (metrics on port {admin_port})", highlight=False)
    if not settings.demo:
        return
    body = json.dumps({"model": models[0], "messages": [{"role": "user", "content": QUESTION}]})
    print(
        f"""
Try it:
curl -si {address}/v1/chat/completions -H 'Authorization: Bearer {DEMO_KEY}' -H 'x-valueflow-debug: 1' -d '{body}'

or in Python (pip install openai):
from openai import OpenAI
client = OpenAI(base_url="{address}/v1", api_key="{DEMO_KEY}")
answer = client.chat.completions.create(model="{models[0]}", messages=[{{"role": "user", "content": "{QUESTION}"}}])
print(answer.choices[0].message.content)
""",
        flush=True,
    )


QUESTION = "My colleague is ill again and I would have to take her shift. Should I?"
"""The question of the ready line: one on which outlooks differ."""


@app.command()
def check(folder: Annotated[Path, typer.Argument(help="folder with one YAML file a tenant")]) -> None:
    """Validate policies; every error names file, line and field."""
    from policies.load import InvalidPolicies, load_folder

    try:
        policies = load_folder(folder)
    except InvalidPolicies as error:
        raise _fail(str(error)) from error
    table = Table("tenant", "policy", "mode", "targets (hard in capitals)")
    for policy in policies.values():
        wanted = [_range(n.upper() if t.hard else n, t.range) for n, t in policy.targets.items()]
        table.add_row(policy.tenant, policy.version, policy.mode, "\n".join(wanted))
    _out.print(table)


def _range(name: str, bounds: tuple[float, float]) -> str:
    low, high = (f"{b:+g}" if abs(b) < 100 else "…" for b in bounds)
    return f"{name} {low} to {high}"


async def _with_keys(action: str, *arguments: str) -> Any:
    from proxy.store.database import Database
    from proxy.store.keys import Keys

    settings = _settings()
    _make_folder_of(settings.database)
    database = Database(settings.database)
    try:
        await database.open()
        return await getattr(Keys(database), action)(*arguments)
    finally:
        await database.close()


@keys.command("new")
def keys_new(tenant: Annotated[str, typer.Argument(help="the tenant, as its policy names it")]) -> None:
    """Make a key and show it, once."""
    from proxy.product import load_policies

    if tenant not in load_policies(_settings()):
        raise _fail(f"there is no policy for tenant '{tenant}' in {_settings().policies}")
    print(asyncio.run(_with_keys("add", tenant)))
    _err.print("Keep it: only its hash is stored.")


@keys.command("list")
def keys_list() -> None:
    """All keys, by the beginning of their hash."""
    table = Table("id", "tenant", "key", "created", "revoked")
    for key in asyncio.run(_with_keys("list")):
        revoked = f"{key.revoked:%Y-%m-%d %H:%M}" if key.revoked else ""
        table.add_row(key.sha256[:12], key.tenant, key.hint, f"{key.created:%Y-%m-%d %H:%M}", revoked)
    _out.print(table)


@keys.command("revoke")
def keys_revoke(beginning: Annotated[str, typer.Argument(help="the id that `keys list` shows", min=8)]) -> None:
    """Revoke a key; running proxies follow within VALUEFLOW_KEY_SECONDS."""
    count = asyncio.run(_with_keys("revoke", beginning)) if len(beginning) >= 8 else 0
    if not count:
        raise _fail("no such key; give at least 8 characters of the id that `valueflow keys list` shows")
    _out.print(f"revoked {count}")


@app.command()
def score(
    text: Annotated[str | None, typer.Argument(help="the text to score")] = None,
    values: Annotated[str, typer.Option(help="value names, comma separated; all without it")] = "",
    question: Annotated[str, typer.Option(help="the question that the text answers")] = "",
    jsonl: Annotated[
        Path | None, typer.Option(help="score a file of {text, question?, values} lines; - for stdin")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    explain: Annotated[bool, typer.Option(help="show the anchors just below and above")] = False,
) -> None:
    """Measure how strongly a text expresses values."""
    from anchors.evaluator import Text
    from anchors.score import Score

    if (text is None) == (jsonl is None):
        raise _fail("give either a text or --jsonl FILE")
    evaluator = _evaluator()
    if jsonl is not None:
        _score_lines(evaluator, jsonl)
        return
    names = _resolved([v for v in values.split(",") if v.strip()] or list(evaluator.gauge.values))
    scores = evaluator.evaluate([Text(text or "", question)], names)[0]
    if as_json:
        print(json.dumps({"scores": _plain(scores), "evaluator": evaluator.version}))
        return
    table = Table(
        "value",
        "intensity",
        "-10        0       +10",
        "90% interval",
        "relevance",
        title=f"evaluator {evaluator.version}",
    )
    for name, found in scores.items():
        if isinstance(found, Score):
            table.add_row(
                name, f"{found.intensity:+.1f} ± {found.sd:.1f}", _bar(found.low, found.intensity, found.high),
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


def _bar(low: float, middle: float, high: float, width: int = 21) -> str:
    def place(x: float) -> int:
        return round((min(max(x, -10.0), 10.0) + 10) / 20 * (width - 1))

    cells = ["·"] * width
    cells[width // 2] = "|"
    for at in range(place(low), place(high) + 1):
        cells[at] = "─"
    cells[place(middle)] = "●"
    return "".join(cells)


def _evaluator() -> Any:
    from anchors.evaluator import default_evaluator

    settings = _settings()
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    return default_evaluator(settings.encoder, settings.device or None, settings.scoring_batch, settings.threads)


def _resolved(names: list[str]) -> list[str]:
    from anchors.values import UnknownValue, catalogue

    try:
        return [catalogue().resolve(name).id for name in names]
    except UnknownValue as error:
        raise _fail(str(error)) from error


def _plain(scores: Any) -> dict[str, Any]:
    from anchors.score import Score
    from proxy.render import score_fields

    return {n: score_fields(s) if isinstance(s, Score) else {"unscored": s.reason} for n, s in scores.items()}


def _score_lines(evaluator: Any, path: Path) -> None:
    """One result a line, in order, in batches; a bad line ends it, naming file, line and field."""
    from anchors.evaluator import Text

    batch: list[tuple[Text, list[str]]] = []

    def flush() -> None:
        union = list(dict.fromkeys(v for _, wanted in batch for v in wanted))
        for (_, wanted), scores in zip(batch, evaluator.evaluate([t for t, _ in batch], union), strict=True):
            print(json.dumps({"scores": _plain({v: scores[v] for v in wanted})}))
        batch.clear()

    for number, line in _lines(path):
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise _fail(f"{place}: not JSON: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise _fail(f"{place}: text: must be a string")
        if not isinstance(row.get("values"), list) or not all(isinstance(v, str) for v in row["values"]):
            raise _fail(f"{place}: values: must be a list of value names")
        if not isinstance(row.get("question") or "", str):
            raise _fail(f"{place}: question: must be a string")
        batch.append((Text(row["text"], row.get("question") or ""), _resolved(row["values"])))
        if len(batch) == 256:
            flush()
    if batch:
        flush()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if str(path) == "-":
        yield from ((n, line) for n, line in enumerate(sys.stdin, start=1) if line.strip())
        return
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((n, line) for n, line in enumerate(file, start=1) if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise _fail(f"{path}: {error}") from error


if __name__ == "__main__":
    app()
