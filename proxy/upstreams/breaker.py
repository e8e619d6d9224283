"""A circuit breaker: after failures in a row an upstream rests, then one call at a time tries it again.

Knows successes, failures and the clock; nothing of what was called. Why it is our own: docs/decisions/0008.
"""

import time
from collections.abc import Callable


class Breaker:
    """Opens after `failures` in a row, for `seconds`. Ask `allows`, then report each call that it allowed."""

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._rest = seconds
        self._clock = clock
        self._failures = 0
        self._until = 0.0

    @property
    def wait(self) -> float:
        """Seconds until the next call may pass; 0 when one may pass now."""
        return max(self._until - self._clock(), 0.0) if self._failures >= self._limit else 0.0

    def allows(self) -> bool:
        """Whether a call may pass. After the rest one may, and the others wait as long again for what it finds."""
        if self._failures < self._limit:
            return True
        if self.wait > 0:
            return False
        self._until = self._clock() + self._rest
        return True

    def succeeded(self) -> None:
        """The upstream answered, be it with a client's error."""
        self._failures = 0

    def failed(self) -> None:
        """The upstream could not be reached, broke down or fell silent."""
        self._failures += 1
        if self._failures >= self._limit:
            self._until = self._clock() + self._rest

    def abandoned(self) -> None:
        """The caller went away, which says nothing of the upstream: the next call may try it."""
        self._until = self._clock() if self._failures >= self._limit else self._until
