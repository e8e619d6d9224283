"""`valueflow curves`: what was learned of each model's answers to doses; drawn, exported, reset."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from proxy.cli.shared import bar, fail, read_settings, refuse_without

if TYPE_CHECKING:
    from policies.plant import Key
    from proxy.store.curves import Curves

_out = Console(width=150)


def curves(
    model: Annotated[str, typer.Option(help="only this model")] = "",
    value: Annotated[str, typer.Option(help="only this value")] = "",
    tenant: Annotated[str | None, typer.Option(help="only this tenant; '' for studies")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="draw each curve in the terminal")] = False,
    export: Annotated[Path | None, typer.Option(help="write the sums as JSON lines; - for stdout")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="forget these curves")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before a reset")] = False,
) -> None:
    """Show what was learned of each model: mean intensity by dose, with the number of answers it rests on."""
    asyncio.run(_curves(model, value, tenant, plot, export, reset, yes))


async def _curves(
    model: str, value: str, tenant: str | None, plot: bool, export: Path | None, reset: bool, yes: bool
) -> None:
    from anchors.values import UnknownValue, catalogue
    from proxy.store.curves import Curves
    from proxy.store.database import Database

    try:
        wanted = catalogue().resolve(value).id if value else ""
    except UnknownValue as error:
        raise fail(str(error)) from error
    settings = read_settings()
    refuse_without(settings.database)
    database = Database(settings.database)
    try:
        await database.open()
        store = Curves(database)
        await store.load()
        keys = sorted(
            key
            for key in store.sums
            if (not model or key.model == model)
            and (not wanted or key.value == wanted)
            and tenant in {None, key.tenant}
        )
        if reset:
            if keys and (yes or typer.confirm(f"Forget {len(keys)} curves?")):
                await store.reset(keys)
                _out.print(f"forgot {len(keys)} curves")
        elif export is not None:
            _export(store, keys, export)
        else:
            _show(store, keys, plot)
    finally:
        await database.close()


def _export(store: "Curves", keys: "list[Key]", path: Path) -> None:
    lines = []
    for key in keys:
        count, total, squares, errors = (field.tolist() for field in store.own(key).fields)
        sums = {"count": count, "total": total, "squares": squares, "errors": errors}
        lines.append(json.dumps(key._asdict() | sums))
    text = "\n".join(lines) + "\n" if lines else ""
    if str(path) == "-":
        print(text, end="")
    else:
        path.write_text(text)
        _out.print(f"{len(lines)} curves in {path}")


def _show(store: "Curves", keys: "list[Key]", plot: bool) -> None:
    from policies.instruct import RUNGS
    from policies.plant import STUDY, Plant

    if not keys:
        _out.print("nothing was learned yet; `valueflow study MODEL` measures a model ahead")
        return
    table = Table(
        "tenant", "model", "value", "tactic", "evaluator", *(f"{r:+g}" for r in RUNGS), title="mean (answers)"
    )
    for key in keys:
        sums = store.own(key)
        cells = [f"{m:+.1f} ({n:.0f})" if n >= 0.5 else "" for m, n in zip(sums.mean, sums.count, strict=True)]
        table.add_row(key.tenant if key.tenant != STUDY else "(study)", *key[1:], *cells)
    _out.print(table)
    if plot:
        for key in keys:
            if key.tactic == "fresh":
                believed = Plant(store, key.tenant, key.model, key.evaluator).curve(key.value, 0.0)
                _out.print(f"\n{key.value} on {key.model}, {key.tenant or 'study'}: what is believed, and its sd")
                for rung, dose in enumerate(RUNGS):
                    mean = float(believed.mean[rung])
                    sd = float(believed.cov[rung, rung]) ** 0.5
                    _out.print(f"{dose:+.1f} {bar(mean - sd, mean, mean + sd, 61)} {mean:+.1f} ± {sd:.1f}")
