"""What every bench does with its figures: a table on the screen, and `bench/results/NAME.json` with where and when."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def write(name: str, rows: list[dict[str, Any]], note: str = "") -> None:
    """Print the rows and write them with machine, its load, date and commit."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*columns, title=name, caption=note)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    Console(width=160).print(table)
    RESULTS.mkdir(exist_ok=True)
    head = {
        "name": name,
        "note": note,
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z",
        "commit": commit(),
        "machine": machine(),
        "load": [round(load, 1) for load in os.getloadavg()],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(head | {"figures": rows}, indent=1) + "\n")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)


def machine() -> str:
    """Processor, cores, memory, system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {system}"


def commit() -> str:
    """The commit that was measured, with `+` when the tree differs from it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    dirty = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False)
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")
