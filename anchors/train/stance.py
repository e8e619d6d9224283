"""Train the stance network: first on public labels, if their folder is given, then on the panel split of a VIDB.

Knows texts, labels and the network; nothing of anchors or calibration. The loss is a robust regression of intensity,
a cross-entropy of relevance, and a logistic loss on pairs of texts of one value; texts off the value count as zero.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anchors.encoder import Encode
from anchors.stance import SCALE, StanceNetwork


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of a text on one value: intensity in points, and the share of judges who saw the value in it."""

    intensity: float | None
    relevance: float | None


@dataclass(frozen=True, slots=True)
class Example:
    """A text and its labels by value number."""

    text: str
    labels: Mapping[int, Label]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Epochs over the examples, texts a batch, and the layers' learning rate; the head's is six times that."""

    epochs: float
    rate: float
    batch: int = 24
    pairs: bool = False
    seed: int = 1


def train(
    network: StanceNetwork,
    encode: Encode,
    examples: Sequence[Example],
    schedule: Schedule,
    tell: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> None:
    """Train in place; `tell` hears of every hundredth step. Deterministic on one machine."""
    torch.manual_seed(schedule.seed)
    tuned = {id(p) for p in network.layers.parameters()}
    groups = [
        {"params": list(network.layers.parameters()), "lr": schedule.rate},
        {"params": [p for p in network.parameters() if id(p) not in tuned], "lr": 6 * schedule.rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = max(int(schedule.epochs * len(examples) / schedule.batch), 1)
    rise = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / (0.1 * steps + 1)) * max(0.02, 1 - step / steps)
    )
    network.train()
    running = 0.0
    for step, batch in zip(range(1, steps + 1), _batches(examples, schedule), strict=False):
        loss = _loss(network, encode, batch, schedule.pairs)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rise.step()
        now = float(loss.detach())
        running = now if step == 1 else 0.98 * running + 0.02 * now
        if step % 100 == 0 or step == steps:
            tell(step, steps, running)
    network.eval()


def _batches(examples: Sequence[Example], schedule: Schedule) -> Iterator[list[Example]]:
    """Endless batches. With `pairs`, half a batch at a time shares a value; else texts of like length come together."""
    rng = random.Random(schedule.seed)
    size = schedule.batch
    while True:
        order = rng.sample(range(len(examples)), len(examples))
        if schedule.pairs:
            by_value: dict[int, list[int]] = {}
            for i in order:
                by_value.setdefault(rng.choice(list(examples[i].labels)), []).append(i)
            half = size // 2
            parts = [own[a : a + half] for own in by_value.values() for a in range(0, len(own), half)]
            rng.shuffle(parts)
            order = [i for part in parts for i in part]
            batches = [order[a : a + size] for a in range(0, len(order), size)]
        else:
            wide = [order[a : a + 20 * size] for a in range(0, len(order), 20 * size)]
            order = [i for part in wide for i in sorted(part, key=lambda i: len(examples[i].text))]
            batches = [order[a : a + size] for a in range(0, len(order), size)]
            rng.shuffle(batches)
        for batch in batches:
            yield [examples[i] for i in batch]


def _loss(network: StanceNetwork, encode: Encode, batch: Sequence[Example], pairs: bool) -> Tensor:
    encoding = encode([e.text for e in batch])
    width = max(len(e.labels) for e in batch)
    value = torch.zeros(len(batch), width, dtype=torch.long)
    stance, relevance = (torch.full((len(batch), width), torch.nan) for _ in range(2))
    for row, example in enumerate(batch):
        for column, (number, label) in enumerate(example.labels.items()):
            value[row, column] = number
            if label.intensity is not None:
                stance[row, column] = label.intensity / SCALE
            if label.relevance is not None:
                relevance[row, column] = label.relevance
    # inference tensors cannot be trained through, so the frozen layers' states are copied
    guess, odds = network(encoding.states.clone(), encoding.mask.clone(), value)
    known, seen = ~stance.isnan(), ~relevance.isnan()
    loss = torch.zeros(())
    if known.any():
        loss = loss + nn.functional.smooth_l1_loss(guess[known], stance[known], beta=0.5)
    if seen.any():
        loss = loss + 0.3 * nn.functional.binary_cross_entropy_with_logits(odds[seen], relevance[seen])
    if pairs and known.any():
        truth, found, of = stance[known], guess[known], value[known]
        apart = truth[:, None] - truth[None]
        kept = (of[:, None] == of[None]) & (apart > 0.15)
        if kept.any():
            loss = loss + 0.5 * nn.functional.softplus(-3.0 * (found[:, None] - found[None])[kept]).mean()
    return loss
