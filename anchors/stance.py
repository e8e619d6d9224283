"""The stance network: how far a text supports or opposes each value, and whether it speaks to it at all.

Knows token states and value queries; nothing of anchors, scales or prompts. The encoder's lower layers are shared and
frozen; copies of its upper layers are tuned. Each value asks the tokens with an attention query made from its words
(definition, signs for, signs against), so that a new value needs words alone.
"""

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from anchors.values import Value

SCALE = 5.0
"""Points by one unit of the network's stance output."""
HEADS = 6
FREE = 64
"""Free numbers of each trained value beside its words."""


class StanceNetwork(nn.Module):
    """Stance and relevance of n texts on V values from token states (n, L, d) of the encoder's layer `cut`.

    `layers` are the encoder's upper layers, which are copied; `queries` (V, 2d) come from `value_queries`.
    """

    queries: Tensor

    def __init__(self, layers: Sequence[nn.Module], queries: Tensor, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(deepcopy(list(layers)))
        self.register_buffer("queries", queries)
        self.free = nn.Parameter(torch.zeros(len(queries), FREE))
        self.query = nn.Linear(queries.shape[1] + FREE, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        self.head = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(3 * width, 256), nn.GELU(), nn.Dropout(0.1), nn.Linear(256, 2)
        )

    def forward(self, states: Tensor, mask: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Stance in units of SCALE points, and relevance log-odds, both (n, k), for value numbers `values` (n, k)."""
        blocked = (1.0 - mask[:, None, None, :].to(states.dtype)) * -1e4
        for layer in self.layers:
            output: Any = layer(states, blocked)
            states = output[0] if isinstance(output, tuple) else output
        n, length, width = states.shape
        k = values.shape[1]
        asked = nn.functional.gelu(self.query(torch.cat([self.queries, self.free], 1)))[values]
        query = asked.view(n, k, HEADS, -1)
        key = self.key(states).view(n, length, HEADS, -1)
        value = self.value(states).view(n, length, HEADS, -1)
        scores = torch.einsum("nkhd,nlhd->nhkl", query, key) / math.sqrt(width // HEADS)
        attention = scores.masked_fill(~mask[:, None, None, :].bool(), -1e4).softmax(-1)
        pooled = torch.einsum("nhkl,nlhd->nkhd", attention, value).reshape(n, k, width)
        weights = mask[..., None].to(states.dtype)
        mean = ((states * weights).sum(1) / weights.sum(1))[:, None].expand(-1, k, -1)
        gate = self.gate(asked)
        found = self.head(torch.cat([pooled * gate, pooled, mean * gate], -1))
        return found[..., 0], found[..., 1]


def value_queries(values: Sequence[Value], embed: Any) -> Tensor:
    """Queries (V, 2d): the mean embedding of each value's definitions, and the direction from its signs against to for.

    `embed` maps a list of texts to unit vectors (n, d).
    """
    rows = []
    for value in values:
        topic = torch.as_tensor(embed([value.definition, *value.paraphrases])).mean(0)
        direction = torch.as_tensor(embed(list(value.supports))).mean(0) - torch.as_tensor(
            embed(list(value.opposes))
        ).mean(0)
        rows.append(torch.cat([nn.functional.normalize(topic, dim=0), 3.0 * direction]))
    return torch.stack(rows).float()
