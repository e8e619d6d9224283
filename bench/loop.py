"""The dose control at score level: no model, no text, the published curves as the truth.

    make bench-loop            (python -m bench.loop)

A world is a (model, value, target) of the published curves. In it requests come one after another; the loop learns its
curve from them with the product's own `policies.curve` and `policies.dose`, all worlds in lockstep. An answer's true
intensity is the curve at its dose, plus the prompt's offset, plus N(0, 1.5); the gauge adds its error. At most five
answers a request. Several values at once run through the product's own loop with scripted answers.

success     share of requests that end `in_range`
calls       mean answers a request
true        share of those whose true intensity lies in the range
delivered   share of all requests whose returned answer truly lies in the range, accepted or not
reachable   a target whose best dose has P(true in range) >= .5; unreachable: below .2

Parameters were chosen with other seeds than those here, but for HOPELESS, which was read off its
own curve. Results: bench/results/loop*.json, plots in docs/steering/.
"""

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np

from anchors.score import Score
from anchors.values import catalogue
from bench.report import write
from policies.curve import ANSWER_SD, GENERIC, OF_TENANT, Curve, Sums, learned
from policies.dose import HOPELESS, chance, gentlest, likely
from policies.instruct import RUNGS, Instruction
from policies.plan import learn
from policies.plant import NEUTRAL, Key, Memory, Plant, kinship
from policies.plant import STUDY as STUDIES
from policies.policy import Policy, Target
from proxy.budget import Budget
from proxy.outcome import Completion
from proxy.steering import steer

mpl.use("Agg")
import matplotlib.pyplot as plt

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


METHODS = ("oracle", "studied", "cold", "naive", "proportional", "bisection")
GAUGES = (0.7, 1.45, 3.9)
"""sd of the gauge: a good judge's, the published one's, and what `valueflow eval` measures of ours."""
PLOTS = Path(__file__).parents[1] / "docs" / "steering"
SEED = 20_000
REQUESTS = 40


def method(name: str) -> Any:
    if name == "oracle":
        return Loop(knows=True, hopeless=0.0)
    return Loop() if name in {"studied", "cold"} else Ladder(name)


def run(name: str, w: Worlds, scenario: Scenario, sd: float, seed: int, **more: Any) -> Tally:
    pooled = studied(w, scenario, sd, np.random.default_rng(seed)) if name == "studied" else None
    return simulate(method(name), w, scenario, sd, more.pop("requests", REQUESTS), seed, pooled, **more)


def scenarios() -> list[dict[str, Any]]:
    """Every scenario, range and gauge: success, calls, true, delivered of each method, in percent and calls."""
    rows = []
    for scenario, kind, sd in itertools.product(SCENARIOS, ("1.5", "2", "min"), GAUGES):
        w = worlds(kind, scenario.bias, SEED)
        row: dict[str, Any] = {"scenario": scenario.name, "range": kind, "gauge sd": sd, "worlds": len(w.low)}
        for name in METHODS:
            found = run(name, w, scenario, sd, SEED).row()
            row[name] = "{success:.1%} {calls:.2f} {true:.1%} {delivered:.1%}".format(**found)
            if name in {"oracle", "studied"}:
                row[f"P of {name}"] = round(found["posterior"], 3)
        rows.append(row)
    return rows


def acceptance() -> list[dict[str, Any]]:
    """The default of `accept`: mean posterior, success and truth by threshold, studied model, independent errors."""
    rows = []
    for sd, accept in itertools.product(GAUGES, (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)):
        row: dict[str, Any] = {"gauge sd": sd, "accept": accept}
        for kind in ("1.5", "2", "min"):
            w = worlds(kind, 0.0, SEED)
            pooled = studied(w, SCENARIOS[0], sd, np.random.default_rng(SEED))
            found = simulate(Loop(accept=accept), w, SCENARIOS[0], sd, REQUESTS, SEED, pooled).row()
            row[kind] = "P {posterior:.3f}, {success:.1%} {calls:.2f} {true:.1%}".format(**found)
        rows.append(row)
    return rows


def hopeless() -> list[dict[str, Any]]:
    """`unreachable`: false alarms on reachable targets against calls on unreachable ones, by threshold."""
    rows = []
    for scenario in SCENARIOS[:2]:
        for threshold in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3):
            row: dict[str, Any] = {"scenario": scenario.name, "threshold": threshold}
            for name, reach in (("reachable", (0.5, 1.0)), ("unreachable", (0.0, 0.2))):
                w = worlds("2", 0.0, SEED, reach)
                pooled = studied(w, scenario, 1.45, np.random.default_rng(SEED))
                for start, sums in (("studied", pooled), ("cold", None)):
                    found = simulate(Loop(hopeless=threshold), w, scenario, 1.45, REQUESTS, SEED, sums).row()
                    row[f"{name}, {start}: said"] = round(found["unreachable"], 4)
                    row[f"{name}, {start}: calls"] = round(found["calls"], 3)
            rows.append(row)
    return rows


def drift() -> list[dict[str, Any]]:
    """The model's curve moves by 2 after 40 requests: success, calls and truth by requests since."""
    rows = []
    w = worlds("2", 0.0, SEED)
    for by in (-2.0, 2.0):
        moved = chance(w.curve + by, np.full(9, ANSWER_SD), w.low[:, None], w.high[:, None]).max(1) >= 0.5
        for name in ("oracle", "studied", "cold"):
            tally = run(name, w.take(np.flatnonzero(moved)), SCENARIOS[0], 1.45, SEED, requests=100, drift=(40, by))
            row: dict[str, Any] = {"drift": by, "method": name}
            for label, since, until in (
                ("before", 20, 40),
                ("1-10", 40, 50),
                ("11-20", 50, 60),
                ("21-30", 60, 70),
                ("31-60", 70, 100),
            ):
                row[label] = "{success:.1%} {calls:.2f} {true:.1%}".format(**tally.row(since, until))
            rows.append(row)
    return rows


@dataclass
class Scripted:
    """A fake model at score level for the product's own loop: curves and cross-effects of its own, several values."""

    curves: Mapping[str, np.ndarray]
    beside: Mapping[tuple[str, str], float]
    sd: float
    rng: np.random.Generator
    true: list[Mapping[str, float]] = field(default_factory=list)
    deterministic: bool = False

    async def complete(self, instruction: Instruction, kept: object) -> Completion[int]:
        rungs = {n: RUNGS.index(instruction.doses.get(n, 0.0)) for n in self.curves}
        shift = {n: curve[rungs[n]] - curve[NEUTRAL] for n, curve in self.curves.items()}
        true = {}
        for n, curve in self.curves.items():
            beside = sum(self.beside[n, other] * by for other, by in shift.items() if other != n)
            true[n] = curve[rungs[n]] + beside + self.rng.normal(0, ANSWER_SD)
        self.true.append(true)
        return Completion(len(self.true) - 1, [str(len(self.true) - 1)], 100)

    async def evaluate(self, texts: Sequence[str], reply: int) -> Sequence[Mapping[str, Score]]:
        scores = {n: t + self.rng.normal(0, self.sd) for n, t in self.true[int(texts[0])].items()}
        return [{n: Score(s, self.sd, s - 2 * self.sd, s + 2 * self.sd, 1.0, s) for n, s in scores.items()}]

    async def applies(self) -> bool:
        return True


SEVERAL = {
    "similar pair": {"svt/benevolence": (4, None), "svt/universalism": (4, None)},
    "similar pair, bands": {"svt/benevolence": (3, 7), "svt/universalism": (3, 7)},
    "opposed pair": {"svt/conformity": (3, None), "svt/hedonism": (0, None)},
    "opposed pair, one low": {"svt/conformity": (5, None), "svt/hedonism": (None, 0)},
    "three": {"svt/benevolence": (4, None), "svt/security": (3, None), "svt/power": (None, 1)},
}


def several(sd: float = 1.45, requests: int = 25) -> list[dict[str, Any]]:
    """Two and three hard values on each published model; its true cross-effects are 1.5 times those of the prior."""
    names = [f"svt/{n}" for n in next(iter(json.loads(CURVES.read_text())["curves"].values()))]
    rows = []
    for label, ranges in SEVERAL.items():
        targets = {n: Target(min=low, max=high, hard=True) for n, (low, high) in ranges.items()}
        outcomes, calls, true, certain = [], [], [], []
        for number, curves in enumerate(published().values()):
            rng = np.random.default_rng(SEED + number)
            own = {n: curves[names.index(n)] for n in targets}
            beside = {(n, o): 1.5 * kinship(catalogue()[n], catalogue()[o]) for n in targets for o in targets if n != o}
            store = Memory()
            for n, curve in own.items():
                for rung, _ in itertools.product(range(9), range(STUDY)):
                    store.learn(
                        Key(STUDIES, "m", n, "fresh", ""), rung, rng.normal(curve[rung], np.hypot(ANSWER_SD, sd)), sd
                    )
            policy = Policy(tenant="t", targets=targets, attempts=ATTEMPTS, apply="always")
            for _ in range(requests):
                world, plant = Scripted(own, beside, sd, rng), Plant(store, "t", "m")
                outcome = asyncio.run(steer(policy, world, Budget.of(policy), plant))
                learn(policy, [a.past for a in outcome.attempts], plant)
                outcomes.append(outcome.name == "in_range")
                calls.append(len(outcome.attempts))
                returned = world.true[outcome.returned.completion.reply]
                true.append(all(t.range[0] <= returned[n] <= t.range[1] for n, t in targets.items()))
                certain.append(outcome.returned.verdict.probability if outcome.returned.verdict else 0.0)
        accepted = np.array(outcomes)
        figures = {
            "success": accepted.mean(), "calls": np.mean(calls), "true": np.array(true)[accepted].mean(),
            "P(all)": np.array(certain)[accepted].mean(), "delivered": np.mean(true),
        }  # fmt: skip
        rows.append({"values": label} | {name: round(float(figure), 3) for name, figure in figures.items()})
    return rows


def plots(early: list[dict[str, Any]]) -> None:
    """How a dose is chosen; learning and drift by request; `unreachable`."""
    PLOTS.mkdir(exist_ok=True)
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    curve = published()["GPT-4.1"][6]
    sums = Sums.none()
    rng = np.random.default_rng(SEED)
    for rung in rng.integers(3, 7, 15):
        sums = sums.seen(int(rung), rng.normal(curve[rung], 2.1), 1.45)
    belief = learned(GENERIC, sums)
    x = np.arange(9)
    for axis, now, title in ((axes[0], GENERIC, "before anything was seen"), (axes[1], belief, "after 15 answers")):
        sd = np.sqrt(np.diagonal(now.cov))
        axis.fill_between(x, now.mean - sd, now.mean + sd, alpha=0.25, label="curve believed, 1 sd")
        axis.plot(x, now.mean)
        axis.plot(x, curve, "k--", lw=1, label="the model's own")
        axis.axhspan(4, 8, color="tab:green", alpha=0.12, label="range wanted")
        p = chance(now.mean, np.sqrt(sd**2 + now.spread**2), 4, 8)
        axis.bar(x, 6 * p, bottom=-7, color="tab:orange", alpha=0.6, width=0.5, label="P(in range) of one answer")
        axis.set(title=title, xticks=x, xticklabels=[f"{r:+g}" for r in RUNGS], xlabel="dose", ylim=(-7, 9.5))
    axes[0].set_ylabel("intensity")
    axes[0].legend(fontsize=7, loc="upper left")
    figure.savefig(PLOTS / "dose.png", dpi=90)

    figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    w = worlds("2", 0.0, SEED)
    for name in ("oracle", "studied", "cold"):
        tally = run(name, w, SCENARIOS[0], 1.45, SEED)
        axes[0].plot(np.arange(1, REQUESTS + 1), tally.calls.mean(1), label=name)
        moved = w.take(
            np.flatnonzero(chance(w.curve - 2, np.full(9, ANSWER_SD), w.low[:, None], w.high[:, None]).max(1) >= 0.5)
        )
        tally = run(name, moved, SCENARIOS[0], 1.45, SEED, requests=100, drift=(40, -2.0))
        axes[1].plot(np.arange(-40, 60), tally.calls.mean(1), label=name)
    axes[0].set(title="answers a request, by request number", xlabel="request", ylabel="calls")
    axes[1].set(title="the model's curve falls by 2 at request 0", xlabel="request", ylabel="calls")
    for start in ("studied", "cold"):
        rows = [r for r in early if r["scenario"] == SCENARIOS[1].name]
        axes[2].plot(
            [r[f"unreachable, {start}: calls"] for r in rows],
            [r[f"reachable, {start}: said"] for r in rows],
            "o-",
            label=start,
        )
    axes[2].set(
        title="`unreachable`: cost of being careful",
        xlabel="calls on unreachable targets",
        ylabel="said of reachable ones",
    )
    for axis in axes:
        axis.legend(fontsize=8)
    figure.savefig(PLOTS / "loop.png", dpi=90)


def main() -> None:
    note = "each cell: success, calls, true among accepted, truly in range among all"
    write("loop", scenarios(), note)
    write("loop-accept", acceptance(), "mean posterior of accepted answers, then success, calls, true")
    early = hopeless()
    write("loop-unreachable", early, f"+-2, gauge sd 1.45; the loop uses {HOPELESS}")
    write("loop-drift", drift(), "success, calls, true; +-2, gauge sd 1.45, targets reachable before and after")
    write("loop-several", several(), "two and three hard values through the product's loop, gauge sd 1.45, four models")
    plots(early)


if __name__ == "__main__":
    main()
