"""From a model's name to an upstream that answers: weighted choice, fallbacks, retries and circuit breakers.

Stands above the `Upstream` protocol and knows nothing of addresses, keys or what is asked. A call is repeated only when
the upstream did nothing with it (`Unanswered`), never after a silence; every repeat is drawn from the request's budget.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from proxy.budget import Budget
from proxy.errors import ApiError, Unanswered
from proxy.upstreams.breaker import Breaker
from proxy.upstreams.upstream import CHAT_PATH, Call, Reply, Stream, Upstream

T = TypeVar("T")
Make = Callable[[str], Call]
"""Makes the call for an upstream's own name of the model."""

_jitter = wait_random_exponential(multiplier=0.25, max=8)


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


@dataclass(slots=True)
class Member:
    """One upstream, how often it is chosen beside others, and its breaker."""

    upstream: Upstream
    breaker: Breaker
    weight: float = 1.0


@dataclass(slots=True)
class Route:
    """What serves one model name: `members` shared by weight, then those of each fallback in turn.

    `seconds` bounds one answer with all its repeats. Ask it only for one of its `paths`.
    """

    members: Sequence[Member]
    seconds: float
    fallbacks: Sequence[Sequence[Member]] = ()
    draw: random.Random = field(default_factory=random.Random)

    @property
    def paths(self) -> frozenset[str]:
        """What at least one of the upstreams speaks."""
        return frozenset[str]().union(*(m.upstream.paths for group in (self.members, *self.fallbacks) for m in group))

    def streams(self, path: str) -> bool:
        """Whether each of the upstreams that speak this path can stream it."""
        members = list(self._order(path))
        return bool(members) and all(path in member.upstream.streams for member in members)

    async def complete(self, make: Make, budget: Budget, path: str = CHAT_PATH) -> Reply:
        """One answer. Raises ApiError: the upstream's, 503 while all upstreams rest, 504 when time is up."""
        return await self._first(lambda up, seconds: up.complete(make(up.model), seconds), budget, path)

    async def open(self, make: Make, budget: Budget, path: str = CHAT_PATH) -> Stream:
        """A stream whose upstream answered with success. Raises as `complete`; what breaks later is not repeated."""
        return await self._first(lambda up, _: up.open(make(up.model), self.seconds), budget, path)

    async def _first(self, call: Callable[[Upstream, float], Awaitable[T]], budget: Budget, path: str) -> T:
        """What the first upstream to answer gives; after a round in which none did, another one after a pause."""
        until = time.monotonic() + min(self.seconds, budget.seconds)

        def stop(state: RetryCallState) -> bool:
            pause = state.upcoming_sleep
            return pause >= until - time.monotonic() or not budget.repeat(pause)

        rounds = AsyncRetrying(retry=retry_if_exception(_again), wait=_pause, stop=stop, sleep=_sleep, reraise=True)
        return await rounds(self._round, call, budget, until, list(self._order(path)))

    async def _round(
        self, call: Callable[[Upstream, float], Awaitable[T]], budget: Budget, until: float, members: Sequence[Member]
    ) -> T:
        failures: list[Unanswered] = []
        for member in members:
            if not member.breaker.allows():
                continue
            if failures and not budget.repeat():
                member.breaker.abandoned()
                break
            try:
                return await _watched(member, call(member.upstream, max(until - time.monotonic(), 0.0)))
            except Unanswered as error:
                failures.append(error)
        if not failures:
            wait = min(member.breaker.wait for member in members)
            raise ApiError.resting("The upstream failed several times in a row and is left alone for a while.", wait)
        # the first upstream is the one that was asked for; but what may pass soon is said rather than what stays
        raise min(failures, key=lambda error: (not error.again, error.pause))

    def _order(self, path: str) -> Iterator[Member]:
        """The upstreams that speak this path, the fallbacks' last."""
        for group in (self.members, *self.fallbacks):
            left = [member for member in group if path in member.upstream.paths]
            while left:
                [chosen] = self.draw.choices(left, [member.weight for member in left])
                left.remove(chosen)
                yield chosen


async def _watched(member: Member, work: Awaitable[T]) -> T:
    """The work's result; the breaker learns how it went."""
    try:
        result = await work
    except ApiError as error:
        # 429 is an upstream that works, as are a client's errors
        (member.breaker.failed if error.status >= 500 else member.breaker.succeeded)()
        raise
    except BaseException:
        member.breaker.abandoned()
        raise
    member.breaker.succeeded()
    return result


def _again(error: BaseException) -> bool:
    return isinstance(error, Unanswered) and error.again


def _pause(state: RetryCallState) -> float:
    """Exponential with full jitter, and at least as long as the upstream asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause if isinstance(error, Unanswered) else 0.0
    return asked + _jitter(state)
