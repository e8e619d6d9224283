"""The stance network: how far a text supports or opposes each value, and whether it speaks to it at all.

Knows a transformer's token states and value queries; nothing of anchors, scales or prompts. One pass of the tuned
transformer serves all values: each asks the tokens with an attention query made from its words (definition, signs for,
signs against) and from free numbers of its own, and reads two numbers from what it found and from the text's mean.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from anchors.backbone import Backbone
from anchors.values import Value

SCALE = 5.0
"""Points by one unit of the network's stance output."""
HEADS = 8
FREE = 64
"""Free numbers of each trained value beside its words, in its attention query."""
GAIN = 4.0
"""Both outputs' scale at the start, so that the head learns about as fast as the transformer."""


class Asking(NamedTuple):
    """How each of V values asks a text: attention queries, and the readouts of stance and relevance."""

    queries: Tensor
    readouts: tuple[Tensor, Tensor]


class StanceNetwork(nn.Module):
    """Stance and relevance of n texts on V values from token numbers (n, L); `body` is a Backbone's, and is tuned.

    `queries` (V, 2d) come from `value_queries`; d is the body's width.
    """

    queries: Tensor

    def __init__(self, body: nn.Module, queries: Tensor, dropout: float = 0.1) -> None:
        super().__init__()
        values, width = len(queries), queries.shape[1] // 2
        self.body = body
        self.register_buffer("queries", queries)
        self.free = nn.Parameter(torch.randn(values, FREE) * 0.1)
        asking = 2 * width + FREE
        self.query = nn.Linear(asking, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.norm = nn.LayerNorm(2 * width)
        self.dropout = nn.Dropout(dropout)
        self.shared = nn.ModuleList(nn.Linear(asking, 2 * width) for _ in range(2))
        self.own = nn.Parameter(torch.zeros(2, values, 2 * width))
        self.bias = nn.Parameter(torch.zeros(2, values))

    def forward(self, ids: Tensor, mask: Tensor, asking: Asking | None = None) -> tuple[Tensor, Tensor]:
        """Stance in units of SCALE points, and relevance log-odds, both (n, V); `mask` (n, L) is true on tokens.

        `asking` is what `asking()` gave, where the weights have not changed since.
        """
        states = self.body(input_ids=ids, attention_mask=mask.long()).last_hidden_state.float()
        with torch.autocast(states.device.type, enabled=False):  # the head is cheap, and half a number too coarse
            return self._head(states, mask, asking or self.asking())

    def asking(self) -> Asking:
        """What depends on the values alone: their attention queries (V, heads, d / heads), and the readouts (V, 2d)."""
        asked = torch.cat([self.queries, self.free], 1)
        query, width = self.query(asked), self.query.out_features
        stance, relevance = (
            shared(asked) / math.sqrt(2 * width) + self.own[number] for number, shared in enumerate(self.shared)
        )
        return Asking(query.view(-1, HEADS, width // HEADS), (stance, relevance))

    def _head(self, states: Tensor, mask: Tensor, asking: Asking) -> tuple[Tensor, Tensor]:
        n, length, width = states.shape
        key = self.key(states).view(n, length, HEADS, -1)
        value = self.value(states).view(n, length, HEADS, -1)
        scores = torch.einsum("vhd,nlhd->nhvl", asking.queries, key) / math.sqrt(width // HEADS)
        attention = scores.masked_fill(~mask[:, None, None, :], -1e4).softmax(-1)
        found = torch.einsum("nhvl,nlhd->nvhd", attention, value).reshape(n, -1, width)
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        read = self.dropout(self.norm(torch.cat([found, mean[:, None].expand_as(found)], -1)))
        stance, odds = (
            (read * weights).sum(-1) * GAIN / math.sqrt(width) + bias
            for weights, bias in zip(asking.readouts, self.bias, strict=True)
        )
        return stance, odds


def padded(tokens: Sequence[Sequence[int]], filler: int) -> tuple[Tensor, Tensor]:
    """Token numbers of n texts as one tensor (n, L) and its mask (n, L)."""
    ids = nn.utils.rnn.pad_sequence([torch.tensor(t) for t in tokens], batch_first=True, padding_value=filler)
    lengths = torch.tensor([len(t) for t in tokens])
    return ids, torch.arange(ids.shape[1])[None, :] < lengths[:, None]


@torch.no_grad()
def value_queries(values: Sequence[Value], backbone: Backbone) -> Tensor:
    """Queries (V, 2d): the mean embedding of each value's definitions, and the direction from its signs against to for.

    Columns are standardised over the values.
    """

    def embed(texts: Sequence[str]) -> Tensor:
        ids, mask = padded(backbone.tokens(texts, 64), backbone.tokenizer.pad_token_id)
        states = backbone.body(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return nn.functional.normalize(mean, dim=1).mean(0)

    rows = [torch.cat([embed([v.definition, *v.paraphrases]), embed(v.supports) - embed(v.opposes)]) for v in values]
    queries = torch.stack(rows).float()
    return (queries - queries.mean(0)) / queries.std(0)


_BODY = "body."
_UP, _DOWN = ".up", ".down"


def packed(tuned: Mapping[str, Tensor], original: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """A network's weights as its gauge keeps them: the body's matrices as changes of at most this rank.

    `tuned` and `original` are state dicts of StanceNetworks; what did not change is left out. The best change of a
    rank, in the least squares, is the truncated singular value decomposition (Eckart and Young 1936).
    """
    kept: dict[str, Tensor] = {}
    for name, weight in tuned.items():
        if not name.startswith(_BODY):
            kept[name] = weight
        elif not torch.equal(weight, original[name]):
            change = weight - original[name]
            if change.ndim == 2 and min(change.shape) > rank:
                left, sizes, right = torch.linalg.svd(change, full_matrices=False)
                roots = sizes[:rank].sqrt()
                kept[name + _UP], kept[name + _DOWN] = left[:, :rank] * roots, roots[:, None] * right[:rank]
            else:
                kept[name] = change
    return kept


def unpack(kept: Mapping[str, Tensor], network: StanceNetwork) -> None:
    """Give a network on the original body the weights that `packed` kept. Raises RuntimeError when they do not fit."""
    weights = network.state_dict()
    for name, weight in kept.items():
        if name.endswith(_UP) and name.startswith(_BODY):
            base = name.removesuffix(_UP)
            weights[base] = weights[base] + weight @ kept[base + _DOWN]
        elif name.startswith(_BODY) and not name.endswith(_DOWN):
            weights[name] = weights[name] + weight
        elif not name.startswith(_BODY):
            weights[name] = weight
    network.load_state_dict(weights)
