"""Loading models from files without transformers' progress bars and lists. Knows that library's switches alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers.utils import logging as _untyped

chatter: Any = _untyped


@contextmanager
def quietly() -> Iterator[None]:
    """Errors are still told; a download from a hub shows no bar either."""
    verbosity, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity(logging.ERROR)
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(verbosity)
        if bars:
            chatter.enable_progress_bar()
