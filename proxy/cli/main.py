"""The `valueflow` command. Knows arguments and how results are shown; the work is done elsewhere."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from proxy.cli import calibrate, curves, evaluate, gate, gauge, hives, report, score, seal, study
from proxy.cli.keys import keys
from proxy.cli.shared import err, fail, make_folder_of, read_settings
from proxy.cli.vidb import vidb
from proxy.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Hold a language model to a value profile.")
app.add_typer(keys, name="keys")
app.add_typer(vidb, name="vidb")
_out = Console()
app.command("train")(gauge.train)
app.command("train-hives")(hives.train_hives)
app.command("eval")(evaluate.evaluate)
app.command("train-gate")(gate.train_gate)
app.command("calibrate")(calibrate.calibrate)
app.command("score")(score.score)
app.command("curves")(curves.curves)
app.command("report")(report.report)
app.command("study")(study.study)
app.command("seal")(seal.seal)


@app.command()
def serve() -> None:
    """Serve the API and, on its own port, the metrics. Settings come from VALUEFLOW_* variables."""
    from anchors.encoder import CorruptModel
    from anchors.gauge import BrokenGauge
    from policies.load import InvalidPolicies
    from proxy.serve import serve as run
    from proxy.upstreams.upstream import InvalidModels

    settings = read_settings()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "httpcore", "sentence_transformers", "transformers", "LiteLLM", "aiosqlite"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    make_folder_of(settings.database)
    try:
        uvloop.run(run(settings, lambda product, port, admin: _announce(settings, list(product.routes), port, admin)))
    except KeyboardInterrupt:
        err.print("stopped")
    except (InvalidPolicies, InvalidModels, BrokenGauge, CorruptModel, OSError) as error:
        raise fail(str(error)) from error


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
    """Validate policies; every error names file, line and field. Advice needs no model: reach is told by `serve`."""
    from anchors.calibration import typical_sd
    from anchors.gauge import BrokenGauge, load
    from policies.lint import advice
    from policies.load import InvalidPolicies
    from proxy.product import checked_policies

    settings = read_settings()
    try:
        policies = checked_policies(settings, folder)
        gauge_sd = typical_sd(load(settings.gauge_folder))
    except (InvalidPolicies, BrokenGauge) as error:
        raise fail(str(error)) from error
    table = Table("tenant", "policy", "mode", "targets (hard in capitals)")
    for policy in policies.values():
        wanted = [_range(n.upper() if t.hard else n, t.range) for n, t in policy.targets.items()]
        table.add_row(policy.tenant, policy.version, policy.mode, "\n".join(wanted))
    _out.print(table)
    for policy in policies.values():
        for text in advice(policy, gauge_sd, plants=[]):
            err.print(f"{policy.name}: {text}", markup=False, highlight=False, soft_wrap=True)


def _range(name: str, bounds: tuple[float, float]) -> str:
    low, high = (f"{b:+g}" if abs(b) < 100 else "…" for b in bounds)
    return f"{name} {low} to {high}"


if __name__ == "__main__":
    app()
