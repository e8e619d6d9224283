"""Train the stance network on labelled texts: those of a VIDB, labelled statements, and public sets, all together.

Knows texts, labels and the network; nothing of anchors or calibration. The loss is a robust regression of intensity
and a cross-entropy of relevance. Matrices are multiplied in bfloat16 where the machine is quick at it.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from anchors.backbone import Backbone
from anchors.reader import quick_bfloat16
from anchors.stance import SCALE, StanceNetwork, padded


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of a text on one value: intensity in points, and the share of judges who saw the value in it."""

    intensity: float | None
    relevance: float | None


@dataclass(frozen=True, slots=True)
class Example:
    """A text, its labels by value number, and how much they weigh beside a judged text's."""

    text: str
    labels: Mapping[int, Label]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Epochs over the examples, tokens a batch with its padding, and the learning rates of transformer and head."""

    epochs: float = 4.0
    rate: float = 6e-5
    head_rate: float = 1e-3
    tokens: int = 2400
    longest: int = 160
    seed: int = 1


RELEVANCE = 0.2
"""Weight of the relevance loss."""
UNLABELLED, ELSEWHERE = 0.1, 0.15
"""Weight of the values that nobody labelled a text for, and the relevance that they are taken to have: a text that was
written for two values speaks to few of the others."""
TOGETHER = 600
"""Texts among which those of like length are put into one batch."""


def train(
    network: StanceNetwork,
    backbone: Backbone,
    examples: Sequence[Example],
    schedule: Schedule,
    tell: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> None:
    """Train in place, but for the word embeddings; `tell` hears of every fiftieth step and the last.

    Deterministic on one machine with one number of threads.
    """
    torch.manual_seed(schedule.seed)
    for parameter in network.body.get_submodule("embeddings").parameters():
        parameter.requires_grad = False
    tuned = [p for p in network.body.parameters() if p.requires_grad]
    body = {id(p) for p in network.body.parameters()}
    head = [p for p in network.parameters() if id(p) not in body]
    optimiser = torch.optim.AdamW(
        [{"params": tuned, "lr": schedule.rate}, {"params": head, "lr": schedule.head_rate}], weight_decay=0.01
    )
    tokens = backbone.tokens([e.text for e in examples], schedule.longest)
    in_epoch = next(iter(_epochs(tokens, schedule)))
    steps = max(int(schedule.epochs * len(in_epoch)), 1)
    rise = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / (0.06 * steps + 1)) * max(0.02, 1 - step / steps)
    )
    device = next(network.parameters()).device
    half = torch.autocast(device.type, torch.bfloat16) if quick_bfloat16(device.type) else nullcontext()
    network.train()
    running = 0.0
    for step, batch in zip(range(1, steps + 1), chain.from_iterable(_epochs(tokens, schedule)), strict=False):
        ids, mask = padded([tokens[i] for i in batch], backbone.tokenizer.pad_token_id)
        with half:
            stance, odds = network(ids.to(device), mask.to(device))
        loss = _loss(stance, odds, [examples[i] for i in batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*tuned, *head], 1.0)
        optimiser.step()
        rise.step()
        now = float(loss.detach())
        running = now if step == 1 else 0.98 * running + 0.02 * now
        if step % 50 == 0 or step == steps:
            tell(step, steps, running)
    network.eval()


def _epochs(tokens: Sequence[Sequence[int]], schedule: Schedule) -> Iterator[list[list[int]]]:
    """Endlessly, an epoch's batches in which texts of like length come together."""
    rng = random.Random(schedule.seed)
    while True:
        order = rng.sample(range(len(tokens)), len(tokens))
        parts = [order[a : a + TOGETHER] for a in range(0, len(order), TOGETHER)]
        batches = [batch for part in parts for batch in _batches_of(part, tokens, schedule.tokens)]
        rng.shuffle(batches)
        yield batches


def _batches_of(part: Sequence[int], tokens: Sequence[Sequence[int]], most: int) -> list[list[int]]:
    """These texts in batches of at most `most` tokens, padding counted in."""
    batches: list[list[int]] = []
    for i in sorted(part, key=lambda i: len(tokens[i])):
        if not batches or (len(batches[-1]) + 1) * len(tokens[i]) > most:
            batches.append([])
        batches[-1].append(i)
    return batches


def _loss(stance: Tensor, odds: Tensor, batch: Sequence[Example]) -> Tensor:
    """Weighted means over the batch's labels; a text's labels weigh what the text does."""
    graded = [(n, v, x.intensity / SCALE, e.weight) for n, v, x, e in _labels(batch) if x.intensity is not None]
    seen = [(n, v, x.relevance, e.weight) for n, v, x, e in _labels(batch) if x.relevance is not None]
    elsewhere = torch.ones(odds.shape, dtype=torch.bool, device=odds.device)
    for row, column, _, _ in _labels(batch):
        elsewhere[row, column] = False
    guess = odds[elsewhere]
    loss = UNLABELLED * nn.functional.binary_cross_entropy_with_logits(guess, torch.full_like(guess, ELSEWHERE))
    if graded:
        rows, columns, truth, weights = zip(*graded, strict=True)
        errors = nn.functional.smooth_l1_loss(
            stance[list(rows), list(columns)], stance.new_tensor(truth), beta=0.5, reduction="none"
        )
        loss = loss + (errors * stance.new_tensor(weights)).mean()
    if seen:
        rows, columns, truth, weights = zip(*seen, strict=True)
        errors = nn.functional.binary_cross_entropy_with_logits(
            odds[list(rows), list(columns)], odds.new_tensor(truth), reduction="none"
        )
        loss = loss + RELEVANCE * (errors * odds.new_tensor(weights)).mean()
    return loss


def _labels(batch: Sequence[Example]) -> Iterator[tuple[int, int, Label, Example]]:
    for number, example in enumerate(batch):
        for value, label in example.labels.items():
            yield number, value, label, example
