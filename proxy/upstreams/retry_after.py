"""`Retry-After`, in seconds or as a date, as seconds from now (RFC 9110, 10.2.3). Knows nothing of who sent it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite


def seconds_to_wait(headers: Mapping[str, str]) -> float:
    """At least 0, and 0 where the header is absent or says nothing that can be read."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # no date, or one without a zone
            return 0.0
    return max(seconds, 0.0) if isfinite(seconds) else 0.0
