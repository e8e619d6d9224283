"""The dose control at score level: no model, no text, the published curves as the truth.

    make bench-loop            (python -m bench.loop [--quick])

A world is a (model, value, target) of the published curves. In it requests come one after another; the loop learns its
curve from them with the product's own `policies.curve` and `policies.dose`, all worlds in lockstep. An answer's true
intensity is the curve at its dose, plus the prompt's offset, plus N(0, 1.5); the gauge adds its error.

success     share of requests that end `in_range`
true        share of those whose true intensity lies in the range
delivered   share of all requests whose returned answer truly lies in the range, accepted or not
reachable   a target whose best dose has P(true in range) >= .5; unreachable: below .2
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from policies.curve import ANSWER_SD, GENERIC, OF_TENANT, Curve, Sums, learned
from policies.dose import HOPELESS, chance, gentlest, likely
from policies.instruct import RUNGS
from policies.policy import Policy

CURVES = Path(__file__).parent / "data" / "dose_curves.json"
ATTEMPTS = 5
STUDY = 20
"""Prompts by dose of a study."""
STRENGTH = np.abs(np.array(RUNGS))
ACCEPT = float(Policy.model_fields["accept"].default)


@dataclass(frozen=True)
class Scenario:
    """What differs from independent errors about the true curve; sds in points, `shared` a share of error variance."""

    name: str
    offset: float = 0.0
    shared: float = 0.0
    bias: float = 0.0


SCENARIOS = (
    Scenario("independent errors"),
    Scenario("prompt offset sd 1.5", offset=1.5),
    Scenario("half of the error shared", shared=0.5),
    Scenario("bias sd 1 by model and value", bias=1.0),
)


class Worlds(NamedTuple):
    """w worlds: true curves (w, 9), ranges (w,), a prior that does not know the world's model, and its bias."""

    curve: np.ndarray
    low: np.ndarray
    high: np.ndarray
    prior: Curve
    bias: np.ndarray

    def take(self, index: np.ndarray) -> "Worlds":
        return Worlds(
            self.curve[index],
            self.low[index],
            self.high[index],
            Curve(*(p[index] for p in self.prior)),
            self.bias[index],
        )


@dataclass
class Tally:
    """What became of each request: (requests, worlds) each."""

    accepted: np.ndarray
    calls: np.ndarray
    true: np.ndarray
    certain: np.ndarray
    stopped: np.ndarray

    def row(self, since: int = 0, until: int | None = None) -> dict[str, float]:
        cut = slice(since, until)
        accepted = self.accepted[cut]
        return {
            "success": float(accepted.mean()),
            "calls": float(self.calls[cut].mean()),
            "true": float(self.true[cut][accepted].mean()) if accepted.any() else float("nan"),
            "delivered": float(self.true[cut].mean()),
            "posterior": float(self.certain[cut][accepted].mean()) if accepted.any() else float("nan"),
            "unreachable": float(self.stopped[cut].mean()),
        }


def published() -> dict[str, np.ndarray]:
    """By model (12, 9): the published five levels, better of both prompts, on our nine rungs."""
    raw = json.loads(CURVES.read_text())["curves"]
    result = {}
    for model, values in raw.items():
        rows = []
        for prompts in values.values():
            a, u = np.array(prompts["anchor"]), np.array(prompts["usertext"])
            five = np.maximum.accumulate(np.concatenate([np.minimum(a, u)[:2], (a + u)[2:3] / 2, np.maximum(a, u)[3:]]))
            low, mild_low, none, mild, high = five
            rows.append([
                low - 0.3 * (mild_low - low), low, mild_low, (mild_low + 2 * none) / 3, none,
                (none + mild) / 2, mild, high, high + 0.3 * (high - mild),
            ])  # fmt: skip
        result[model] = np.array(rows)
    return result


def worlds(kind: str, bias: float, seed: int, reachable: tuple[float, float] = (0.5, 1.0), per: int = 1) -> Worlds:
    """All (model, value, target) of a kind whose best dose has P(in range) in `reachable`."""
    rng = np.random.default_rng(seed)
    curves = published()
    rows, lows, highs, means = [], [], [], []
    for model, own in curves.items():
        others = np.concatenate([c for m, c in curves.items() if m != model])
        for curve in own:
            for aim in np.arange(-6.0, 8.5, 1.0):
                low, high = (aim, np.inf) if kind == "min" else (aim - float(kind), aim + float(kind))
                best = chance(curve, np.full(9, ANSWER_SD), low, high).max()
                if reachable[0] <= best < reachable[1] + (reachable[1] == 1):
                    rows.append(curve), lows.append(low), highs.append(high), means.append(others.mean(0))
    index = np.repeat(np.arange(len(rows)), per)
    mean = np.array(means)[index]
    prior = Curve(mean, np.broadcast_to(GENERIC.cov, (len(index), 9, 9)), np.full(len(index), GENERIC.spread))
    return Worlds(
        np.array(rows)[index],
        np.array(lows)[index],
        np.array(highs)[index],
        prior,
        rng.normal(0, bias, len(index)) if bias else np.zeros(len(index)),
    )


def studied(w: Worlds, scenario: Scenario, sd: float, rng: np.random.Generator) -> Sums:
    """The sums that a study leaves: STUDY prompts at every dose."""
    shape = (STUDY, *w.curve.shape)
    true = w.curve + rng.normal(0, ANSWER_SD, shape)
    if scenario.offset:
        true += rng.normal(0, scenario.offset, (STUDY, len(w.low), 1))
    seen = true + w.bias[:, None] + rng.normal(0, sd, shape)
    n = np.full(w.curve.shape, float(STUDY))
    return Sums(n, seen.sum(0), (seen**2).sum(0), n * sd**2)


@dataclass
class Loop:
    """The product's control. `knows` makes it the oracle that knows each curve and each prompt's offset."""

    accept: float = ACCEPT
    hopeless: float = HOPELESS
    knows: bool = False
    options: dict[str, float] = field(default_factory=dict)

    def start(self, w: Worlds, pooled: Sums | None) -> None:
        self.w = w
        self.prior = w.prior if pooled is None else learned(w.prior, pooled)
        self.prior = self.prior.wider(OF_TENANT)
        self.sums = Sums.none(len(w.low))
        self.habit = np.full(len(w.low), -1)

    def begin(self, offset: np.ndarray) -> None:
        if self.knows:
            nothing = np.zeros((len(offset), 9, 9))
            self.curve = Curve(self.w.curve + offset[:, None], nothing, np.full(len(offset), ANSWER_SD))
        else:
            self.curve = learned(self.prior, self.sums)
        self.log: list[tuple[np.ndarray, ...]] = []

    def _likely(self, on: np.ndarray, action: np.ndarray, measured: np.ndarray, sd: np.ndarray) -> Any:
        options = {"offset_sd": 1e-6, "again": 0.0} if self.knows else self.options
        return likely(Curve(*(c[on] for c in self.curve)), action[on], measured[on], sd[on], **options)

    def first(self, on: np.ndarray, past: tuple[np.ndarray, ...]) -> np.ndarray:
        """The next action of the worlds `on`, and whether it is worth asking for."""
        now = self._likely(on, *past)
        self.now = now
        worth = chance(now.mean, now.sd, self.w.low[on, None], self.w.high[on, None])
        fresh = past[0].shape[1] == 0
        action = gentlest(worth, STRENGTH, self.habit[on] if fresh else -1)
        if fresh:
            self.habit[on] = action
        at = np.arange(len(action))
        self.log.append((on, action, now.offset))
        return action, worth[at, action] >= self.hopeless if not fresh else np.ones(len(action), bool)

    def judge(self, on: np.ndarray, past: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
        """P(in range) of the last answers, and whether they are accepted."""
        now = self._likely(on, *past)
        p = chance(now.last_mean, now.last_sd, self.w.low[on], self.w.high[on])
        m = past[1][on, -1]
        return p, (m >= self.w.low[on]) & (m <= self.w.high[on]) & (p >= self.accept)

    def end(self, measured: np.ndarray, sd: float) -> None:
        """Learn from every attempt, the offset that was known before it taken out."""
        if self.knows:
            return
        for attempt, (on, action, offset) in enumerate(self.log):
            if attempt >= measured.shape[1]:
                break
            ok = ~np.isnan(measured[on, attempt])
            new = Sums(*(f[on[ok]] for f in self.sums.fields)).seen(
                action[ok], measured[on[ok], attempt] - offset[ok], np.full(ok.sum(), sd)
            )
            for mine, more in zip(self.sums.fields, new.fields, strict=True):
                mine[on[ok]] = more


@dataclass
class Ladder:
    """Baselines that know no curve: they start at the rung nearest to target / 7 and accept what is measured in range.

    `naive` asks the same again, `proportional` moves a rung for every 2 points of gap, `bisection` halves what is left.
    """

    name: str

    def start(self, w: Worlds, pooled: Sums | None) -> None:
        self.w = w

    def begin(self, offset: np.ndarray) -> None:
        w = self.w
        aim = np.where(np.isinf(w.high), w.low + 1.5, (w.low + w.high) / 2)
        self.at = np.abs(np.array(RUNGS) - (aim / 7)[:, None]).argmin(1)
        self.left, self.right = np.zeros(len(aim), int), np.full(len(aim), 8)

    def first(self, on: np.ndarray, past: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
        if past[1].shape[1] and self.name != "naive":
            m, low, high, at = past[1][on, -1], self.w.low[on], self.w.high[on], self.at[on]
            gap = np.where(m < low, low - m, np.where(m > high, high - m, 0.0))
            if self.name == "proportional":
                step = np.sign(gap) * np.maximum(np.round(np.abs(gap) / 2), gap != 0)
                self.at[on] = np.clip(at + step, 0, 8).astype(int)
            else:
                self.left[on] = np.where(gap > 0, np.minimum(at + 1, 8), self.left[on])
                self.right[on] = np.where(gap < 0, np.maximum(at - 1, 0), self.right[on])
                lost = self.left > self.right
                self.left[lost], self.right[lost] = 0, 8
                self.at[on] = (self.left[on] + self.right[on]) // 2
        return self.at[on], np.ones(len(on), bool)

    def judge(self, on: np.ndarray, past: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
        m = past[1][on, -1]
        gap = np.maximum(np.maximum(self.w.low[on] - m, m - self.w.high[on]), 0)
        return -gap, gap == 0

    def end(self, measured: np.ndarray, sd: float) -> None:
        pass


def simulate(
    method: Any,
    w: Worlds,
    scenario: Scenario,
    sd: float,
    requests: int,
    seed: int,
    pooled: Sums | None = None,
    drift: tuple[int, float] | None = None,
) -> Tally:
    """Requests one after another in every world."""
    rng = np.random.default_rng(seed)
    size = len(w.low)
    method.start(w, pooled)
    tally = Tally(*(np.zeros((requests, size), t) for t in (bool, int, bool, float, bool)))
    for number in range(requests):
        if drift and number == drift[0]:
            w = w._replace(curve=w.curve + drift[1])
            method.w = w
        offset = rng.normal(0, scenario.offset, size) if scenario.offset else np.zeros(size)
        shared = rng.normal(0, sd * np.sqrt(scenario.shared), size) if scenario.shared else np.zeros(size)
        method.begin(offset)
        action, measured = np.zeros((size, 0), int), np.zeros((size, 0))
        best, on = np.full(size, -np.inf), np.arange(size)
        for _ in range(ATTEMPTS):
            past = (action, measured, np.full(measured.shape, sd))
            chosen, worth = method.first(on, past)
            tally.stopped[number, on[~worth]] = True
            on, chosen = on[worth], chosen[worth]
            if not len(on):
                break
            e = rng.normal(0, 1, (2, size))  # drawn for all worlds: methods see the same luck
            true = w.curve[on, chosen] + offset[on] + ANSWER_SD * e[0, on]
            seen = true + w.bias[on] + shared[on] + sd * np.sqrt(1 - scenario.shared) * e[1, on]
            a, m = np.full((size, 1), 4), np.full((size, 1), np.nan)
            a[on, 0], m[on, 0] = chosen, seen
            action, measured = np.hstack([action, a]), np.hstack([measured, m])
            certain, accepted = method.judge(on, (action, measured, np.full(measured.shape, sd)))
            tally.calls[number, on] += 1
            better = (certain > best[on]) | accepted
            best[on] = np.where(better, certain, best[on])
            inside = (true >= w.low[on]) & (true <= w.high[on])
            tally.true[number, on[better]] = inside[better]
            tally.certain[number, on[better]] = certain[better]
            tally.accepted[number, on[accepted]] = True
            on = on[~accepted]
            if not len(on):
                break
        method.end(measured, sd)
    return tally
