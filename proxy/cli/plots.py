"""The plots of docs/evaluator.md, from a gauge's predictions. Needs matplotlib, which is a development package.

Knows predictions and rows; nothing of how they are made.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

if TYPE_CHECKING:
    from anchors.evaluation import Predictions
    from anchors.train.rows import Rows

BLUE, RED = "#4477aa", "#bb5566"
LEVELS = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
LEAST = 10
"""Rows that a point needs."""


def draw(predictions: "Predictions", rows: "Rows", held: Any, folder: Path) -> None:
    """Write calibration.png, error.png, values.png and coverage.png. The predictions must have an sd."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    plots: dict[str, Callable[[Any, Predictions, Rows, Any], None]] = {
        "calibration": _calibration, "error": _error, "values": _values, "coverage": _coverage,
    }  # fmt: skip
    for name, plot in plots.items():
        plt.figure(figsize=(6, 8 if name == "values" else 4))
        plot(plt, predictions, rows, held)
        plt.tight_layout()
        plt.savefig(folder / f"{name}.png", dpi=90)
        plt.close()


def _calibration(plt: Any, predictions: "Predictions", rows: "Rows", held: Any) -> None:
    truth, guess = rows.intensity[held], predictions.intensity
    parts = [part for part in np.array_split(np.argsort(guess), 12) if len(part)]
    middle = np.array([truth[part].mean() for part in parts])
    low, high = (np.array([np.percentile(truth[part], q) for part in parts]) for q in (10, 90))
    spread = (np.maximum(middle - low, 0), np.maximum(high - middle, 0))
    plt.errorbar([guess[part].mean() for part in parts], middle, spread, fmt="o", color=BLUE, capsize=2)
    plt.plot([-10, 10], [-10, 10], color=RED, linewidth=1)
    plt.xlabel("measured intensity, in twelfths of the rows")
    plt.ylabel("ranked intensity: mean and middle 80%")


def _error(plt: Any, predictions: "Predictions", rows: "Rows", held: Any) -> None:
    from anchors.panel import BINS

    truth, registers = rows.intensity[held], rows.registers()[held]
    error, place = np.abs(truth - predictions.intensity), np.digitize(truth, BINS[1:-1])
    names = [f"{a:g} to {b:g}" for a, b in pairwise(BINS)]
    for register in np.unique(registers):
        bins = [error[(registers == register) & (place == n)] for n in range(len(names))]
        known = [n for n, mine in enumerate(bins) if len(mine) >= LEAST]
        plt.plot(known, [bins[n].mean() for n in known], "o-", label=str(register))
    plt.xticks(range(len(names)), names)
    plt.xlabel("ranked intensity")
    plt.ylabel("mean error, points")
    plt.ylim(bottom=0)
    plt.legend()


def _values(plt: Any, predictions: "Predictions", rows: "Rows", held: Any) -> None:
    from anchors.evaluation import evaluate

    value = rows.value[held]
    found = {
        rows.values[v]: evaluate(predictions.only(value == v), rows, held[value == v]).pairwise
        for v in np.unique(value)
    }
    ordered = sorted(found, key=lambda name: found[name].value)
    for y, name in enumerate(ordered):
        plt.plot([found[name].low, found[name].high], [y, y], color=BLUE, linewidth=1)
        plt.plot(found[name].value, y, "o", color=BLUE)
    plt.axvline(0.5, color=RED, linewidth=1)
    plt.yticks(range(len(ordered)), ordered)
    plt.xlabel("pairs in the right order, 95% interval over topics")


def _coverage(plt: Any, predictions: "Predictions", rows: "Rows", held: Any) -> None:
    registers, error = rows.registers()[held], np.abs(rows.intensity[held] - predictions.intensity)
    for register in ("all", *np.unique(registers)):
        mine = (registers == register) | (register == "all")
        shares = [float((error <= norm.ppf((1 + level) / 2) * predictions.sd)[mine].mean()) for level in LEVELS]
        plt.plot(LEVELS, shares, "o-", label=str(register), linewidth=2.5 if register == "all" else 1, markersize=3)
    plt.plot([0, 1], [0, 1], color=RED, linewidth=1)
    plt.xlabel("stated probability of a range around the measured value")
    plt.ylabel("share of rows inside")
    plt.legend()
