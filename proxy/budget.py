"""What one request may still spend: answers, repeated upstream calls, seconds and tokens, in one object.

The loop draws answers and tokens from it, the transport draws retries and fallbacks, and both look at the clock. Knows
nothing of what is bought.
"""

import time
from collections.abc import Callable
from math import inf

from policies.policy import Policy


class Budget:
    """`attempts` answers, `repeats` upstream calls that come on top of them, `seconds` from now, and `tokens`."""

    def __init__(
        self,
        attempts: int = 1,
        repeats: int = 0,
        seconds: float = inf,
        tokens: float = inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.attempts = attempts
        self.repeats = repeats
        self.tokens = tokens
        self.clock = clock
        self._until = clock() + seconds

    @classmethod
    def of(cls, policy: Policy, repeats: int = 0, clock: Callable[[], float] = time.monotonic) -> "Budget":
        """The policy's, of mode enforce; the other modes ask once, which the upstream's own timeout bounds."""
        if policy.mode == "enforce":
            return cls(policy.attempts, repeats, policy.budget.seconds, policy.budget.tokens, clock)
        return cls(repeats=repeats, clock=clock)

    @property
    def seconds(self) -> float:
        """What is left of the time, at least 0."""
        return max(self._until - self.clock(), 0.0)

    def affords(self, seconds: float, tokens: float) -> bool:
        """Whether there is as much left of both."""
        return seconds <= self.seconds and tokens <= self.tokens

    def answered(self, tokens: int) -> None:
        """Draw one answer and what it was billed; both may fall below 0, for an answer is never thrown away."""
        self.attempts -= 1
        self.tokens -= tokens

    def repeat(self, pause: float = 0.0) -> bool:
        """Draw one more upstream call after such a pause; False when there is none left, or not the time."""
        if self.repeats <= 0 or pause >= self.seconds:
            return False
        self.repeats -= 1
        return True
