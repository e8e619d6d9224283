"""Which example texts show a model what a dose means.

Knows doses, the exemplars' intensities and the safety floor; nothing of prompts or models. The same doses give the same
texts.
"""

from collections.abc import Mapping
from itertools import zip_longest
from math import inf

from anchors.exemplars import exemplars
from policies.floor import FLOOR, FLOORED
from policies.instruct import Doses

MOST = 3
"""Texts in one prompt."""
LEVELS: Mapping[float, float] = {0.1: 2.0, 0.3: 4.0, 0.6: 6.0, 1.0: 8.0}
"""The intensity that an exemplar for a dose should have, in points; for doses against a value below zero."""


def chosen_exemplars(doses: Doses) -> list[str]:
    """At most MOST texts for these doses, those nearest to each dose's level; the strongest dose's come first.

    None goes below the safety floor on a value that has one, and none to the other side of zero.
    """
    each = []
    for name, dose in sorted(doses.items(), key=lambda item: -abs(item[1])):
        if dose:
            level = LEVELS[abs(dose)] * (1 if dose > 0 else -1)
            least = FLOOR if name in FLOORED else -inf
            fit = [e for e in exemplars().get(name, ()) if e.intensity * dose > 0 and e.intensity >= least]
            each.append([e.text for e in sorted(fit, key=lambda e: (abs(e.intensity - level), e.id))[:MOST]])
    mixed = [text for turn in zip_longest(*each) for text in turn if text is not None]
    return list(dict.fromkeys(mixed))[:MOST]
