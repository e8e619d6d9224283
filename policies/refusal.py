"""Does an answer refuse the task? A few openings that chat models use; a hint for the dose, never a score.

Knows words only. English; a refusal it misses is measured like any answer.
"""

import re

_SORRY = r"(i['’]?m (really |very |so )?sorry,? (but )?|sorry,? (but )?|unfortunately,? |i apologi[sz]e,? (but )?)?"
_UNABLE = r"i (can['’]?t|cannot|can not|won['’]?t|will not|am unable to|am not able to)|i['’]m (unable|not able) to"
_OBJECT = r"( (with|in|you|your|that|this|these|those|such|any|instructions|information|advice)\b|\s*([.,;:!?]|$))"
"""What follows the verb in a refusal; others go on, as in "I can't help but smile" or "I won't answer for her"."""
_TASK = rf" (do (that|this|it)\b|(help|assist|answer|comply|provide|support|engage|write|continue|fulfil){_OBJECT})"
_OPENING = re.compile(rf"\s*{_SORRY}({_UNABLE}){_TASK}", re.IGNORECASE)


def is_refusal(text: str) -> bool:
    """Whether the text opens like a refusal."""
    return _OPENING.match(text[:200]) is not None
