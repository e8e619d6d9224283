from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from proxy.upstreams.retry_after import seconds_to_wait


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("1.5", 1.5), ("-3", 0.0), ("inf", 0.0), ("nan", 0.0), ("soon", 0.0), ("", 0.0)]
)
def test_seconds(value: str, seconds: float) -> None:
    assert seconds_to_wait({"retry-after": value}) == seconds


def test_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3500 < seconds_to_wait({"retry-after": date}) <= 3600
    assert seconds_to_wait({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}) == 0.0


def test_none() -> None:
    assert seconds_to_wait({}) == 0.0
