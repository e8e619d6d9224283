"""`valueflow train-hives`: train a retrieval map on the encoder, and show what it is worth beside the encoder alone."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from proxy.cli.gauge import VIDB, Folder, offline_encoder
from proxy.cli.shared import fail
from proxy.cli.tables import show_figure

_out = Console(width=150)


def train_hives(
    vidb: Folder = VIDB,
    split: Annotated[str, typer.Option(help="test, or calibration while choosing")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Train HiVES on panel texts and statements; figures on topics that it never saw. It is not used for scores."""
    import numpy as np

    from anchors.concepts import CONCEPTS, read_concepts
    from anchors.train import hives
    from anchors.train.retrieval import labelled, neighbours
    from anchors.train.rows import read_rows
    from anchors.train.statements import read_statements
    from anchors.values import catalogue
    from anchors.vidb.manifest import verify
    from anchors.vidb.texts import read_jsonl

    if split not in ("test", "calibration"):
        raise fail(f"--split: expected test or calibration, found '{split}'")
    try:
        verify(vidb)
        rows = read_rows(vidb)
        statements = read_statements(vidb, rows.values)
        field = {row["topic"]: row.get("field", "") for _, row in read_jsonl(vidb / "topics.jsonl")}
        concepts = read_concepts(CONCEPTS, catalogue())
    except (ValueError, OSError) as error:
        raise fail(str(error)) from error
    held = rows.where("test" if split == "test" else "calibration")
    encode = offline_encoder(threads)

    def read(texts: Sequence[str]) -> Any:
        """Features, in parts: token states of all texts would fill the memory."""
        parts = [hives.features(encode(texts[start : start + 256])) for start in range(0, len(texts), 256)]
        return np.concatenate(parts)

    train_rows, test_rows = (
        labelled(rows, which, said, read) for which, said in ((rows.where("panel"), statements), (held, []))
    )
    path = hives.paths(rows.values, catalogue())
    definitions = encode([concept.definition for concept in concepts]).embedding
    trained = hives.train(
        train_rows, path, hives.concept_of(train_rows, concepts, definitions), hives.Plan(),
        lambda step, loss: None if as_json else _out.print(f"step {step}: loss {loss:.3f}"),
    )  # fmt: skip
    texts = np.unique(rows.text[rows.where("panel", "test" if split == "test" else "calibration")])
    every = np.zeros((len(rows.texts), train_rows.features.shape[1]), dtype=np.float32)
    every[texts] = read([rows.texts[t].text for t in texts])
    found = {}
    for name, matrix in (("the encoder", np.eye(*trained.shape, dtype=np.float32)), ("HiVES", trained)):
        tree = hives.structure(hives.mapped(test_rows.features, matrix), test_rows, path)
        found[name] = (tree, neighbours(hives.mapped(every, matrix), rows, held, field))
    if as_json:
        print(json.dumps({name: asdict(tree) | asdict(near) for name, (tree, near) in found.items()}))
        return
    table = Table(
        "", *found, title=f"on split {split}",
        caption="ranking, correlation, orthogonality: VALUEFLOW's; the others: of the 8 nearest panel texts",
    )  # fmt: skip
    trees, near = zip(*found.values(), strict=True)
    table.add_row("ranking", *(f"{tree.ranking:.3f}" for tree in trees))
    table.add_row("correlation", *(f"{tree.correlation:.3f}" for tree in trees))
    for theory in trees[0].orthogonality:
        table.add_row(f"orthogonality {theory}", *(f"{tree.orthogonality[theory]:.3f}" for tree in trees))
    for label, name in (
        ("speak to the value", "same_value"), ("take the same side", "same_side"), ("same field", "same_field"),
        ("pairs ordered by the value's 8 nearest anchors", "intensity_pairs"),
    ):  # fmt: skip
        table.add_row(label, *(show_figure(getattr(one, name)) for one in near))
    _out.print(table)
