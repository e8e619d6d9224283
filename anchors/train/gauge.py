"""Train the gauge of `anchors/gauge.py` from a VIDB: network, panel, calibration, conformal factor.

Knows which split serves what: `panel` trains the network and holds the anchors; one half of the calibration topics
fits sharpness, map and error model, the other half the conformal factor; `steer` and `test` are not touched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_expit, logit
from torch import Tensor

from anchors import calibration
from anchors.backbone import PACKAGED, load_backbone
from anchors.comparator import SURE, Comparator
from anchors.encoder import Encode
from anchors.evaluator import Evaluator, Text
from anchors.gauge import Gauge
from anchors.lexicon import counts, rarities, weighted
from anchors.reader import LAYERS, Read, load_reader
from anchors.score import Score
from anchors.stance import StanceNetwork, packed, value_queries
from anchors.train.head import fit
from anchors.train.memory import RememberingReader
from anchors.train.rows import Rows
from anchors.train.stance import Example, Label, Schedule, train
from anchors.train.statements import Statement
from anchors.values import Catalogue
from anchors.vidb.texts import VidbText

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Tell = Callable[[str], None]


RANK = 128
"""Of the changes to the backbone's matrices that a gauge keeps."""
WRITTEN, PUBLIC = 0.7, 0.3
"""What a text with its writer's level, and other people's with its label, weigh beside a judged one."""


def vidb_examples(rows: Rows, which: Ints) -> list[Example]:
    """Training examples from these rows; a text off the value for every judge has intensity zero."""
    labels: dict[int, dict[int, Label]] = {}
    for row in which:
        found = Label(float(rows.intensity[row]), float(rows.relevance[row]))
        labels.setdefault(int(rows.text[row]), {})[int(rows.value[row])] = found
    return [Example(rows.texts[t].text, found) for t, found in labels.items()]


def statement_examples(statements: Sequence[Statement], values: Sequence[str]) -> list[Example]:
    """Training examples from statements; one that does not speak to a value says so only by its level of zero."""
    labels: dict[str, dict[int, Label]] = {}
    for s in statements:
        labels.setdefault(s.text, {})[values.index(s.value)] = Label(s.level, 1.0 if s.level else None)
    return [Example(text, found, WRITTEN) for text, found in labels.items()]


def train_gauge(
    rows: Rows,
    encoder: Encode,
    catalogue: Catalogue,
    vidb: str,
    public: Sequence[Example] = (),
    statements: Sequence[Statement] = (),
    schedule: Schedule | None = None,
    tell: Tell = lambda text: None,
) -> Gauge:
    """A gauge from these rows; about an hour on two cores with AMX, several on others."""
    backbone = load_backbone(PACKAGED, LAYERS)
    network = StanceNetwork(backbone.body, value_queries([catalogue[v] for v in rows.values], backbone))
    original = {name: weight.clone() for name, weight in network.state_dict().items()}
    examples = [
        *vidb_examples(rows, rows.where("panel")),
        *statement_examples(statements, rows.values),
        *(replace(e, weight=PUBLIC) for e in public),
    ]
    train(network, backbone, examples, schedule or Schedule(), lambda *at: tell("{} of {}, loss {:.3f}".format(*at)))
    weights = packed(network.state_dict(), original, RANK)
    return made(rows, encoder, catalogue, backbone.name, weights, vidb, statements)


def made(
    rows: Rows,
    encoder: Encode,
    catalogue: Catalogue,
    backbone: str,
    network: Mapping[str, Tensor],
    vidb: str,
    statements: Sequence[Statement] = (),
) -> Gauge:
    """The gauge with this network: panel, reading of words and calibration are made anew; about three minutes."""
    draft = assemble(rows, encoder, catalogue, backbone, network, vidb, statements)
    return calibrated(draft, rows, encoder, RememberingReader(load_reader(backbone, network)))


def assemble(
    rows: Rows,
    encode: Encode,
    catalogue: Catalogue,
    backbone: str,
    network: Mapping[str, Tensor],
    vidb: str,
    statements: Sequence[Statement] = (),
) -> Gauge:
    """A gauge with its panel and its reading of words, not yet calibrated."""
    train_rows = rows.where("panel")
    number = {v: n for n, v in enumerate(rows.values)}
    read = [rows.texts[t].text for t in rows.text[train_rows]] + [s.text for s in statements]
    found = counts(read)
    rarity = rarities(counts(sorted(set(read))))
    topic = np.stack(
        [encode([catalogue[v].definition, *catalogue[v].paraphrases]).embedding.mean(0) for v in rows.values]
    )
    words, _ = fit(
        weighted(found, rarity),
        np.array([*rows.value[train_rows], *(number[s.value] for s in statements)]),
        np.array([*rows.intensity[train_rows], *(s.level for s in statements)]),
        0.1 + 0.5 * np.clip(topic @ topic.T, 0, 1) + np.eye(len(rows.values)),
        ridge=0.5,
    )
    panel = np.array([r for r in train_rows if rows.texts[rows.text[r]].register != "borrowed"])
    texts = rows.text[panel]
    distinct = sorted(set(texts.tolist()))
    place = {t: n for n, t in enumerate(distinct)}
    embedding = encode([rows.texts[t].text for t in distinct]).embedding.astype(np.float64)
    return Gauge(
        encoder=encode.name,
        backbone=backbone,
        values=rows.values,
        network=network,
        words=words,
        rarity=rarity,
        mix=np.array([0.5, 0.5, 0.0]),
        sharpness=0.5,
        relevance=np.array([1.0, 0.0]),
        anchor_value=rows.value[panel],
        anchor_embedding=embedding[[place[t] for t in texts]],
        anchor_intensity=rows.intensity[panel],
        anchor_utility=rows.utility[panel],
        anchor_id=tuple(rows.texts[t].id for t in texts),
        anchor_text=tuple(rows.texts[t].text for t in texts),
        slope=np.ones(len(rows.values)),
        intercept=np.zeros(len(rows.values)),
        error=np.zeros(5),
        quantile=1.645,
        vidb=vidb,
        provisional=True,
    )


def calibrated(draft: Gauge, rows: Rows, encoder: Encode, read: Read) -> Gauge:
    """Sharpness, map and error model from one half of the calibration topics, the conformal factor from the other."""
    held = rows.where("calibration")
    half = rows.topics()[held] % 2 == 0
    fitted, conformal = held[half], held[~half]
    comparator = Comparator(draft, read)
    gauge = replace(draft, mix=_mix(comparator, rows, fitted), relevance=_relevance(comparator, rows, fitted))
    gauge = replace(gauge, sharpness=_sharpness(Evaluator(encoder, gauge, read), rows, fitted))
    utility, relevance, words = _measured(Evaluator(encoder, gauge, read), rows, fitted)
    value, truth = rows.value[fitted], rows.intensity[fitted]
    on = rows.relevance[fitted] >= 0.5
    slope, intercept = calibration.fit_map(utility[on], truth[on], value[on], len(rows.values))
    stance = intercept[value] + slope[value] * utility
    residual = truth - calibration.mixed(stance, relevance)
    error = calibration.fit_error(calibration.error_drivers(stance, relevance, words), residual)
    gauge = replace(gauge, slope=slope, intercept=intercept, error=error)
    scores = scores_of(Evaluator(encoder, gauge, read), rows, conformal)
    residual = rows.intensity[conformal] - np.array([s.intensity for s in scores])
    return replace(gauge, quantile=calibration.conformal_quantile(residual, np.array([s.sd for s in scores])))


def scores_of(evaluator: Evaluator, rows: Rows, which: Ints) -> list[Score]:
    """The evaluator's scores of these rows, in order. Raises ValueError when a text cannot be scored."""
    texts = sorted(set(rows.text[which].tolist()))
    found = evaluator.evaluate([_as_text(rows.texts[t]) for t in texts], rows.values)
    place = {t: n for n, t in enumerate(texts)}
    scores = [found[place[t]][rows.values[v]] for t, v in zip(rows.text[which], rows.value[which], strict=True)]
    if not all(isinstance(s, Score) for s in scores):
        raise ValueError("a text of the set cannot be scored")
    return [s for s in scores if isinstance(s, Score)]


def _as_text(text: VidbText) -> Text:
    return Text(text.text, text.question)


def _measured(evaluator: Evaluator, rows: Rows, which: Ints) -> tuple[Floats, Floats, Floats]:
    """Utility, relevance and words of these rows."""
    texts = sorted(set(rows.text[which].tolist()))
    place = np.array([texts.index(t) for t in rows.text[which]])
    found = evaluator.measure([_as_text(rows.texts[t]) for t in texts], range(len(rows.values)))
    value = rows.value[which]
    return found.utility[place, value], found.relevance[place, value], found.words[place]


def _mix(comparator: Comparator, rows: Rows, which: Ints) -> Floats:
    """Weights of network, words and a constant: least squares on the rows that speak to their value."""
    which = which[rows.relevance[which] >= 0.5]
    texts = [rows.texts[t].text for t in rows.text[which]]
    value, each = rows.value[which], np.arange(len(which))
    network, _ = comparator.network(texts)
    words = comparator.words(texts)
    design = np.column_stack([network[each, value], words[each, value], np.ones(len(which))])
    found = np.linalg.lstsq(design, rows.intensity[which], rcond=None)[0]
    return np.array([max(found[0], 0.0), max(found[1], 0.0), found[2]])


def _relevance(comparator: Comparator, rows: Rows, which: Ints) -> Floats:
    """Slope and shift of the network's log-odds of relevance, by maximum likelihood of what share of judges saw it."""
    _, read = comparator.network([rows.texts[t].text for t in rows.text[which]])
    odds = logit(np.clip(read[np.arange(len(which)), rows.value[which]], SURE, 1 - SURE))
    seen = rows.relevance[which]

    def loss(x: Floats) -> float:
        turned = x[0] * odds + x[1]
        return float(-np.mean(seen * log_expit(turned) + (1 - seen) * log_expit(-turned)))

    found = minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    return np.array([max(found[0], 0.1), found[1]])


def _sharpness(evaluator: Evaluator, rows: Rows, which: Ints) -> float:
    """Log-odds per point between a text's stance and an anchor's intensity, by maximum likelihood."""
    texts = sorted(set(rows.text[which].tolist()))
    place = np.array([texts.index(t) for t in rows.text[which]])
    value, gauge = rows.value[which], evaluator.gauge
    measured = evaluator.measure([_as_text(rows.texts[t]) for t in texts], range(len(gauge.values)))
    stance = measured.stance[place, value]
    gaps, signs = [], []
    rng = np.random.default_rng(0)
    for v in np.unique(value):
        mine, anchors = np.flatnonzero(value == v), np.flatnonzero(gauge.anchor_value == v)
        a, b = rng.choice(mine, 400), rng.choice(anchors, 400)
        gap, truth = stance[a] - gauge.anchor_intensity[b], rows.intensity[which][a] - gauge.anchor_intensity[b]
        gaps.append(gap[truth != 0])
        signs.append(np.sign(truth[truth != 0]))
    gap, sign = np.concatenate(gaps), np.concatenate(signs)
    found = minimize(lambda b: float(-np.mean(log_expit(sign * np.exp(b[0]) * gap))), np.zeros(1), method="BFGS")
    return float(np.clip(np.exp(found.x[0]), 0.02, 5.0))
