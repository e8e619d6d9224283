"""`valueflow train-gate`: train the gate on the labelled prompts of two writers, and test it on the third's."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from anchors.values import DATA
from proxy.cli.shared import fail, read_evaluator, read_settings

_out = Console(width=150)


def train_gate(
    out: Annotated[Path, typer.Option(help="folder of the prompts, to which the gate is written")] = DATA / "gate",
    dry: Annotated[bool, typer.Option("--dry", help="only the figures of the gate that is there")] = False,
) -> None:
    """Train the gate, and show what it lets through of a writer's prompts that it never saw, beside the gauge."""
    import numpy as np

    from anchors import gate
    from anchors.evaluator import Text
    from anchors.gauge import BrokenGauge
    from anchors.prompts import read_prompts
    from anchors.score import Score
    from anchors.train.gate import quality, texts, train
    from anchors.values import catalogue
    from anchors.vidb.texts import BrokenSet
    from policies.verdict import RELEVANT

    evaluator = read_evaluator(read_settings())
    try:
        prompts = read_prompts(out / "prompts.jsonl")
        if not dry:
            gate.save(train([p for p in prompts if p.split == "train"], evaluator.encoder, catalogue()), out)
        head = gate.load(out)
    except (BrokenSet, BrokenGauge, ValueError) as error:
        raise fail(str(error)) from error
    held = [p for p in prompts if p.split == "test"]
    ours = head.probability(gate.features(evaluator.encoder, [texts(p) for p in held])) >= head.threshold
    scores = evaluator.evaluate([Text(texts(p)[-1]) for p in held], head.values)
    before = np.array(
        [[isinstance(s := row[v], Score) and s.relevance >= RELEVANT for v in head.values] for row in scores]
    )
    table = Table(
        "prompts", "n", "recall", "let through: no value applies", "let through: ruled out", "precision",
        title=f"the gate on the test writer's prompts, threshold {head.threshold:.2f}",
        caption="95% intervals, bootstrap over prompts",
    )  # fmt: skip
    for name, figures in (("", quality(ours, held, head.values)), ("gauge: ", quality(before, held, head.values))):
        for kind, q in figures.items():
            if not name or kind == "all":
                shown = (q.recall, q.passed_unladen, q.passed_not, q.precision)
                cells = (f"{f.value:.2f} [{f.low:.2f}, {f.high:.2f}]" for f in shown)
                table.add_row(name + kind, str(q.prompts), *cells)
    _out.print(table)
