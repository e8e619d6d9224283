"""How far intensities can be guessed without understanding: from words alone, or from openings and length alone.

Knows texts and intensities. Both models are blind to the value; trained on the panel, tested on the test split. A set
whose tone, openings or length give the level away shows it here.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from anchors.vidb.scale import Intensity
from anchors.vidb.texts import VidbText

Floats = NDArray[np.float64]
OPENING = 4
"""Words of an opening."""


def shortcut_accuracies(texts: Mapping[str, VidbText], rows: Sequence[Intensity]) -> dict[str, tuple[float, float]]:
    """(pairwise accuracy, the same on conflict rows) by model; chance is .5."""
    own = [r for r in rows if r.text in texts]
    train = [r for r in own if texts[r.text].split == "panel"]
    test = [r for r in own if texts[r.text].split == "test"]
    conflict = _conflict(own)
    models: dict[str, Callable[[Sequence[str], Sequence[str]], tuple[csr_matrix, csr_matrix]]] = {
        "bag of words": _words,
        "opening words and length": _openings,
    }
    found = {}
    for name, features in models.items():
        x, y = features([texts[r.text].text for r in train], [texts[r.text].text for r in test])
        guess = Ridge(alpha=2.0).fit(x, [r.intensity for r in train]).predict(y)
        found[name] = (_pairwise(test, guess, None), _pairwise(test, guess, conflict))
    return found


def _words(train: Sequence[str], test: Sequence[str]) -> tuple[csr_matrix, csr_matrix]:
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2))
    return vectorizer.fit_transform(train), vectorizer.transform(test)


def _openings(train: Sequence[str], test: Sequence[str]) -> tuple[csr_matrix, csr_matrix]:
    vectorizer = TfidfVectorizer(min_df=2, ngram_range=(1, 3), token_pattern=r"\S+")  # noqa: S106

    def opening(text: str) -> str:
        return " ".join(text.split()[:OPENING])

    def length(texts: Sequence[str]) -> csr_matrix:
        words = np.array([len(t.split()) for t in texts], dtype=np.float64)
        marks = np.array([t.count("!") + t.count("?") for t in texts], dtype=np.float64)
        return csr_matrix(np.column_stack([np.log(words + 1) / 5, marks / 5]))

    first = vectorizer.fit_transform([opening(t) for t in train])
    second = vectorizer.transform([opening(t) for t in test])
    return hstack([first, length(train)]).tocsr(), hstack([second, length(test)]).tocsr()


def _conflict(rows: Sequence[Intensity], least: float = 2.0) -> set[str]:
    high = {r.text for r in rows if r.intensity >= least}
    return high & {r.text for r in rows if r.intensity <= -least}


def _pairwise(rows: Sequence[Intensity], guess: Floats, only: set[str] | None) -> float:
    """Share of pairs of rows of one value that the guess orders as the intensities do."""
    keep = np.array([only is None or r.text in only for r in rows])
    truth, value = np.array([r.intensity for r in rows]), np.array([r.value for r in rows])
    hits = pairs = 0
    for v in np.unique(value):
        mine = np.flatnonzero((value == v) & keep)
        rise = (truth[mine][:, None] - truth[mine][None]) > 0
        hits += int(((guess[mine][:, None] - guess[mine][None]) > 0)[rise].sum())
        pairs += int(rise.sum())
    return hits / max(pairs, 1)
