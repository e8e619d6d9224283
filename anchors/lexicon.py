"""Words to vectors: hashed counts of words and word pairs. Knows nothing of values.

A small encoder blurs what single words say of an outlook; a linear reading of the words themselves keeps it, and costs
microseconds. The hash needs no vocabulary, so nothing of the training texts is kept.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

BUCKETS = 2**16
_VECTORIZER = HashingVectorizer(
    n_features=BUCKETS, ngram_range=(1, 2), alternate_sign=False, norm=None, lowercase=True, dtype=np.float64
)
Floats = NDArray[np.float64]


def counts(texts: Sequence[str]) -> csr_matrix:
    """Log counts (n, BUCKETS) of words and pairs of words."""
    found = _VECTORIZER.transform(texts)
    found.data = 1.0 + np.log(found.data)
    return found


def weighted(found: csr_matrix, rarity: Floats) -> csr_matrix:
    """Counts times rarity, rows of length 1."""
    return normalize(found.multiply(rarity).tocsr())


def rarities(found: csr_matrix, least: int = 2) -> Floats:
    """Inverse document frequency by bucket (BUCKETS,); buckets of fewer than `least` texts count as nothing."""
    seen = np.asarray((found > 0).sum(0)).ravel()
    rarity = np.log((1 + found.shape[0]) / (1 + seen)) + 1.0
    return np.where(seen >= least, rarity, 0.0)
