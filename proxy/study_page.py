"""A study as one HTML page: a dose-response plot a value, and the figures. Knows rows; no script, no outside file."""

from collections.abc import Sequence
from html import escape

import numpy as np

from policies.instruct import RUNGS
from policies.plant import Plant
from proxy.study import Row

_WIDTH, _HEIGHT, _LEFT, _TOP = 380, 240, 34, 10
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1240px;margin:2em auto;padding:0 1em;color:#223}"
    "figure{display:inline-block;margin:.5em}figcaption{text-align:center}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
    "th:first-child,td:first-child{text-align:left}"
)


def page(rows: Sequence[Row], plant: Plant, seed: int) -> str:
    """The page; `plant` gives the curve that is believed after the study."""
    values = list(dict.fromkeys(row.value for row in rows))
    plots = "".join(f"<figure>{_plot(rows, v, plant)}<figcaption>{escape(v)}</figcaption></figure>" for v in values)
    heads = "".join(f"<th>{dose:+g}</th>" for dose in RUNGS)
    table = "".join(f"<tr><td>{escape(v)}</td>{''.join(_cell(rows, v, d) for d in RUNGS)}</tr>" for v in values)
    tokens = sum({(r.dose, r.question, r.value if r.dose else ""): r.tokens for r in rows}.values())
    return (
        f"<!doctype html><meta charset=utf-8><title>Study of {escape(plant.model)}</title><style>{_STYLE}</style>"
        f"<h1>How {escape(plant.model)} answers to doses</h1><p>{len(rows)} measurements, {tokens} tokens, seed {seed},"
        f" evaluator {escape(plant.evaluator)}. Points are means of measured intensities with 95% intervals; the line"
        " is the curve that the loop believes, with one sd. Intervals are of sampling alone, without the gauge's bias."
        f"</p>{plots}<h2>Mean intensity (answers)</h2><table><tr><th>value</th>{heads}</tr>{table}</table>"
    )


def _cell(rows: Sequence[Row], value: str, dose: float) -> str:
    found = [row.intensity for row in rows if row.value == value and row.dose == dose]
    return f"<td>{np.mean(found):+.1f} ({len(found)})</td>" if found else "<td></td>"


def _x(rung: int) -> float:
    return _LEFT + rung * (_WIDTH - _LEFT - 12) / (len(RUNGS) - 1)


def _y(intensity: float) -> float:
    return _TOP + (10 - min(max(intensity, -10.0), 10.0)) / 20 * (_HEIGHT - _TOP - 24)


def _plot(rows: Sequence[Row], value: str, plant: Plant) -> str:
    parts = []
    for level in range(-10, 11, 5):
        y = _y(level)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 4}" y="{y + 4:.1f}" font-size="10" text-anchor="end">{level:+d}</text>')
    curve = plant.curve(value, 0.0)
    size = len(RUNGS)
    mean, sd = curve.mean[:size], np.sqrt(np.diagonal(curve.cov)[:size])
    above = [(_x(i), _y(mean[i] + sd[i])) for i in range(size)]
    edge = above + [(_x(i), _y(mean[i] - sd[i])) for i in reversed(range(size))]
    parts.append(f'<polygon points="{_points(edge)}" fill="#4a7fb5" opacity=".2"/>')
    line = [(_x(i), _y(mean[i])) for i in range(size)]
    parts.append(f'<polyline points="{_points(line)}" fill="none" stroke="#4a7fb5" stroke-width="2"/>')
    for rung, dose in enumerate(RUNGS):
        parts.append(f'<text x="{_x(rung):.1f}" y="{_HEIGHT - 6}" font-size="10" text-anchor="middle">{dose:+g}</text>')
        found = np.array([row.intensity for row in rows if row.value == value and row.dose == dose])
        if len(found):
            half = 1.96 * found.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else 0.0
            x, low, high = _x(rung), _y(found.mean() - half), _y(found.mean() + half)
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="#c33"/>')
            parts.append(f'<circle cx="{x:.1f}" cy="{_y(float(found.mean())):.1f}" r="3" fill="#c33"/>')
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{"".join(parts)}</svg>'


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
