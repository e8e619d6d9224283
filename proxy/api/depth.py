"""How deeply a JSON text is nested, told before it is parsed. Knows brackets and strings; nothing of what they mean."""

import re

# a string that never ends is one token to the end of the text: else each quote in it would be searched from anew
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)


def too_deep(raw: bytes, limit: int) -> bool:
    """Whether arrays and objects stand more than `limit` deep in each other; linear in the text's length."""
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return False
    depth = 0
    for token in _TOKEN.finditer(raw):
        first = raw[token.start()]
        if first in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif first in b"]}":
            depth -= 1
    return False
