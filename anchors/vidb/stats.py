"""What a VIDB holds and how far its intensities can be trusted: figures for the table and the datasheet.

Knows texts, rankings and intensities. Reliability is between two sets of judges that share none: each half's rankings
are fitted by themselves and the intensities are compared.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from anchors.plackett_luce import log_likelihood, uniform_log_likelihood
from anchors.vidb.manifest import read_manifest, verify
from anchors.vidb.rankings import Judged, read_rankings
from anchors.vidb.scale import Intensity, by_text, fit_value, intensities, read_intensities
from anchors.vidb.shortcuts import shortcut_accuracies
from anchors.vidb.texts import SPLITS, VidbText, read_texts
from anchors.vidb.windows import MARKERS

Floats = NDArray[np.float64]
CHECK_ROUND = "check"
"""Rounds whose name begins so were ranked by independent judges and take no part in the fit."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything the datasheet says: `overall` figures as text, `by_value` rows, `examples`, and what is plotted."""

    version: str
    overall: Mapping[str, str]
    by_value: Mapping[str, Mapping[str, object]]
    registers: Mapping[str, Mapping[str, int]]
    examples: Mapping[str, Sequence[tuple[float, str]]]
    intensities: Mapping[str, Floats]
    halves: tuple[Floats, Floats]
    levels: tuple[Floats, Floats]
    manifest: Mapping[str, object]


def describe(folder: Path) -> Figures:
    """All figures of a verified set. Raises BrokenSet."""
    verify(folder)
    texts, rankings, rows = read_texts(folder), read_rankings(folder), read_intensities(folder)
    fitted = [r for r in rankings if r.value and not r.round.startswith(CHECK_ROUND)]
    fresh = [r for r in rankings if r.value and r.round.startswith(CHECK_ROUND)]
    table = by_text(rows)
    first, second, per_value = _halves(fitted)
    level, rank = _levels(texts, rows)
    own = [r for r in rows if r.text in texts]
    conflict = _conflict(table)
    overall = {
        "texts": str(len(texts)),
        "rows (text and value)": str(len(own)),
        "rows of borrowed texts, by hash": str(len(rows) - len(own)),
        "values": str(len({r.value for r in rows})),
        "topics": str(len({t.topic for t in texts.values()})),
        "rankings": f"{len(rankings)} by {len({r.judge for r in rankings})} judges",
        "windows a row": f"{np.mean([r.windows for r in rows]):.1f}",
        "texts whose two values stand on opposite sides": f"{len(conflict)} of {len(texts)}",
        "reliability between two sets of judges (Spearman, mean of values)": f"{np.mean([*per_value.values()]):.3f}",
        "  the lowest value's": f"{min(per_value.values()):.3f}",
        "mean absolute difference between the two": f"{np.mean(np.abs(first - second)):.2f} points",
        "rank against intended level (Spearman)": f"{spearmanr(level, rank).statistic:.3f} of {len(level)} rows",
        "gap between forward and reversed fit": f"{_gap(fitted):.2f} points",
    }
    if fresh:
        agree, pairs = agreement(fresh, table)
        overall["agreement of independent judges on fresh windows (pairs)"] = (
            f"{agree:.1%} of {pairs} pairs, {len(fresh)} windows"
        )
    for name, (pairwise, among_conflict) in shortcut_accuracies(texts, rows).items():
        overall[f"value-blind, {name}: pairs right on test"] = f"{pairwise:.3f}, on conflict rows {among_conflict:.3f}"
    overall["texts that use the name of a value they are ranked for"] = f"{_naming(texts):.0%}"
    if bridges := [r for r in rankings if not r.value]:
        across, within, pairs = bridge_agreement(bridges, texts, table)
        overall["bridge windows: pairs of two values that stand as fitted"] = f"{across:.1%}, of one value {within:.1%}"
        overall["  bridge windows and pairs"] = f"{len(bridges)}, {pairs}"
    return Figures(
        version=str(read_manifest(folder)["version"]),
        overall=overall,
        by_value={v: _row(v, texts, rows, conflict, per_value) for v in sorted({r.value for r in rows})},
        registers={split: dict(Counter(t.register for t in texts.values() if t.split == split)) for split in SPLITS},
        examples={v: _examples(v, texts, rows) for v in sorted({r.value for r in own})},
        intensities={v: np.array([r.intensity for r in own if r.value == v]) for v in sorted({r.value for r in own})},
        halves=(first, second),
        levels=(level, rank),
        manifest=read_manifest(folder),
    )


def _row(
    value: str,
    texts: Mapping[str, VidbText],
    rows: Sequence[Intensity],
    conflict: set[str],
    reliability: Mapping[str, float],
) -> dict[str, object]:
    mine = [r for r in rows if r.value == value and r.text in texts]
    splits = Counter(texts[r.text].split for r in mine)
    registers = Counter(texts[r.text].register for r in mine)
    return {
        "texts": len(mine),
        **{s: splits[s] for s in SPLITS},
        **registers,
        "writers": len({texts[r.text].writer for r in mine}),
        "conflict": sum(r.text in conflict for r in mine),
        "relevant": sum(r.relevance >= 0.5 for r in mine),
        "reliability": f"{reliability[value]:.2f}",
    }


def _conflict(table: Mapping[str, Mapping[str, Intensity]], least: float = 2.0) -> set[str]:
    return {
        text
        for text, by_value in table.items()
        if min(r.intensity for r in by_value.values()) <= -least
        and max(r.intensity for r in by_value.values()) >= least
    }


def _halves(rankings: Sequence[Judged]) -> tuple[Floats, Floats, dict[str, float]]:
    """Intensities by two sets of judges, every other round each, and the Spearman correlation by value."""
    rounds = sorted({r.round for r in rankings})
    index = {name: int("".join(c for c in name if c.isdigit()) or n) for n, name in enumerate(rounds)}
    parts = [[r for r in rankings if index[r.round] % 2 == half] for half in (1, 0)]
    if not all(parts):
        return np.zeros(1), np.zeros(1), dict.fromkeys({r.value for r in rankings}, float("nan"))
    one, other = ({(r.text, r.value): r.intensity for r in intensities(part)[0]} for part in parts)
    shared = sorted(one.keys() & other.keys(), key=lambda key: (key[1], key[0]))
    a, b = np.array([one[k] for k in shared]), np.array([other[k] for k in shared])
    value = np.array([k[1] for k in shared])
    return a, b, {str(v): float(spearmanr(a[value == v], b[value == v]).statistic) for v in np.unique(value)}


def _levels(texts: Mapping[str, VidbText], rows: Sequence[Intensity]) -> tuple[Floats, Floats]:
    pairs = [
        (texts[r.text].levels[r.value], r.intensity)
        for r in rows
        if r.text in texts and r.value in texts[r.text].levels
    ]
    found = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _held_out(fitted: Sequence[Judged], fresh: Sequence[Judged]) -> str:
    """Log-likelihood of fresh random windows, which the fit has not seen, as a share of what uniform chance lacks."""
    gained = total = 0.0
    for value in sorted({r.value for r in fresh}):
        fit = fit_value([r for r in fitted if r.value == value])
        number = {item: n for n, item in enumerate(fit.items)}
        orders = [[number[i] for i in r.order if i in number and i not in r.off] for r in fresh if r.value == value]
        uniform = uniform_log_likelihood(orders)
        gained += log_likelihood(fit.fit.mean, orders) - uniform
        total -= uniform
    return f"{gained / total:.0%} of the uniform model's {total:,.0f} nats"


def _gap(rankings: Sequence[Judged]) -> float:
    values = sorted({r.value for r in rankings})
    return float(np.mean([fit_value([r for r in rankings if r.value == v]).gap for v in values]))


def agreement(rankings: Sequence[Judged], table: Mapping[str, Mapping[str, Intensity]]) -> tuple[float, int]:
    """Share of text pairs within windows that stand as their fitted intensities do, and the number of pairs."""
    hits = pairs = 0
    for ranking in rankings:
        order = [table[i][ranking.value].intensity for i in ranking.order if i not in MARKERS]
        for a in range(len(order)):
            for b in range(a + 1, len(order)):
                if order[a] != order[b]:
                    pairs += 1
                    hits += order[a] > order[b]
    return hits / max(pairs, 1), pairs


def bridge_agreement(
    rankings: Sequence[Judged], texts: Mapping[str, VidbText], table: Mapping[str, Mapping[str, Intensity]]
) -> tuple[float, float, int]:
    """Share of pairs of two values, and of one value, that stand as their intensities do; and the number of pairs."""
    hits, pairs = [0, 0], [0, 0]
    for ranking in rankings:
        items = [
            (texts[i].values[0], table[i][texts[i].values[0]].intensity) for i in ranking.order if i not in MARKERS
        ]
        for a, (value, intensity) in enumerate(items):
            for other, lower in items[a + 1 :]:
                if intensity != lower:
                    pairs[value == other] += 1
                    hits[value == other] += intensity > lower
    return hits[0] / max(pairs[0], 1), hits[1] / max(pairs[1], 1), sum(pairs)


def _naming(texts: Mapping[str, VidbText]) -> float:
    def names(text: VidbText) -> bool:
        return any(v.partition("/")[2].replace("-", " ")[:6] in text.text.lower() for v in text.values)

    return sum(names(t) for t in texts.values()) / len(texts)


def _examples(value: str, texts: Mapping[str, VidbText], rows: Sequence[Intensity]) -> list[tuple[float, str]]:
    """Three short texts near +6, 0 and -6 each, off-topic ones aside."""
    mine = [r for r in rows if r.value == value and r.text in texts and r.relevance >= 0.5]
    found = []
    for wanted in (6.0, 0.0, -6.0):
        near = sorted(mine, key=lambda r, w=wanted: abs(r.intensity - w) + 0.02 * len(texts[r.text].text.split()))  # type: ignore[misc]
        found += [(r.intensity, texts[r.text].text) for r in near[:3]]
    return found
