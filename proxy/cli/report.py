"""`valueflow report TENANT`: what a rollout changed, from the audit trail."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from math import inf
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from proxy.cli.shared import fail, read_settings, refuse_without

_out = Console(width=150)
MAX_RECORDS = 200_000
"""The newest records that are read."""


def report(
    tenant: Annotated[str, typer.Argument(help="the tenant, as its policy names it")],
    days: Annotated[float, typer.Option(help="how far back", min=0.01, max=3650)] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Treated and control conversations compared by intention to treat: every treated one counts, accepted or not."""
    records = asyncio.run(_records(tenant, days))
    if not records:
        raise fail(f"the audit trail has nothing of tenant '{tenant}' in {days:g} days")
    found = summary(records)
    if as_json:
        print(json.dumps(found))
        return
    arms = Table("arm", "conversations", "answers", "attempts", "tokens", "outcomes", title=f"{tenant}, {days:g} days")
    for name, arm in found["arms"].items():
        outcomes = ", ".join(f"{k} {v}" for k, v in sorted(arm["outcomes"].items(), key=lambda item: -item[1]))
        arms.add_row(
            name, str(arm["conversations"]), str(arm["answers"]), f"{arm['attempts']:.2f}", f"{arm['tokens']:.0f}",
            outcomes,
        )  # fmt: skip
    _out.print(arms)
    effects = Table(
        "value", "measure", "answers", "treated", "control", "effect", "95% interval",
        caption="by intention to treat; intervals clustered by conversation; in range: share of answers with P >= .5;"
        " second: what VALUEFLOW_SECOND_MODEL measured on a sample of both arms, with our raw measurement of the same",
    )  # fmt: skip
    for row in found["effects"]:
        effects.add_row(
            row["value"], row["measure"], " + ".join(map(str, row["answers"])), f"{row['treated']:+.2f}",
            f"{row['control']:+.2f}", f"{row['difference']:+.2f}", f"{row['low']:+.2f} to {row['high']:+.2f}",
        )  # fmt: skip
    if found["effects"]:
        _out.print(effects)
    else:
        _out.print("one arm is empty: an effect needs a rollout between 0% and 100%")


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Arms and effects from audit records; what was written before arms were is counted under `unknown`.

    A request that broke off has no values, but it belongs to its arm with what it cost.
    """
    from policies.effect import effect

    arms: dict[str, dict[str, Any]] = {}
    rows: dict[tuple[str, str], list[tuple[str, bool, float]]] = {}
    seen: dict[str, set[str]] = {}
    for record in records:
        name = {True: "treated", False: "control"}.get(record.get("treated"), "unknown")  # type: ignore[arg-type]
        arm = arms.setdefault(name, {"answers": 0, "attempts": 0, "tokens": 0, "outcomes": {}})
        arm["answers"] += 1
        arm["attempts"] += len(record["attempts"]) if "attempts" in record else record["asked"]
        arm["tokens"] += record["tokens"]["billed"]
        arm["outcomes"][record["outcome"]] = arm["outcomes"].get(record["outcome"], 0) + 1
        conversation = str(record.get("conversation", ""))
        seen.setdefault(name, set()).add(conversation)
        if name == "unknown":
            continue
        second = record.get("second", {}).get("values", {})
        for value, fields in record.get("values", {}).items():
            for measure, number in _measures(fields, second.get(value)).items():
                rows.setdefault((value, measure), []).append((conversation, name == "treated", float(number)))
    for name, arm in arms.items():
        arm["conversations"] = len(seen[name])
        arm["attempts"] /= arm["answers"]
        arm["tokens"] /= arm["answers"]
    effects = []
    for (value, measure), numbers in rows.items():
        if (found := effect(numbers)) is not None:
            names = ("answers", "conversations", "treated", "control", "difference", "low", "high")
            effects.append({"value": value, "measure": measure} | {name: getattr(found, name) for name in names})
    order = list(dict.fromkeys(row["value"] for row in effects))
    return {"arms": arms, "effects": sorted(effects, key=lambda row: order.index(row["value"]))}


def _measures(ours: Mapping[str, Any], second: Mapping[str, float] | None) -> dict[str, float]:
    """What one record says of one value; nothing where it could not be measured."""
    if "posterior" not in ours:
        return {}
    found = {"posterior": ours["posterior"], "raw": ours["intensity"], "in range": ours["p"] >= 0.5}
    if second is not None:
        low, high = (
            edge if edge is not None else side * inf for edge, side in zip(ours["range"], (-1, 1), strict=True)
        )
        theirs = second["intensity"]
        found |= {"second": theirs, "second in range": low <= theirs <= high, "raw, where second": ours["intensity"]}
    return found


async def _records(tenant: str, days: float) -> list[dict[str, Any]]:
    from proxy.store.audit import Audit
    from proxy.store.database import Database, now

    settings = read_settings()
    refuse_without(settings.database)
    database = Database(settings.database)
    try:
        await database.open()
        return [json.loads(text) for text in await Audit(database).newest(tenant, now() - timedelta(days), MAX_RECORDS)]
    finally:
        await database.close()
