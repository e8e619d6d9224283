"""Choice, fallback, retries and breakers over scripted upstreams, fakes behind the `Upstream` protocol."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from proxy.budget import Budget
from proxy.errors import ApiError, Unanswered
from proxy.upstreams.breaker import Breaker
from proxy.upstreams.route import Member, Route
from proxy.upstreams.upstream import CHAT_PATH, Call, Reply, Stream

BAD_GATEWAY = Unanswered.upstream("503")


def limited(pause: float) -> Unanswered:
    error = Unanswered(429, "limit", "rate_limit_error")
    error.pause = pause
    return error


def elsewhere() -> Unanswered:
    error = Unanswered.upstream("500")
    error.again = False
    return error


@dataclass
class Fake:
    """A fake upstream: raises or answers what its script says, the last entry for ever."""

    model: str
    script: list[Exception | None] = field(default_factory=lambda: [None])
    asked: list[bytes] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    hang: bool = False
    paths = streams = frozenset({CHAT_PATH})

    async def complete(self, call: Call, seconds: float) -> Reply:
        self.asked.append(call.body)
        self.seconds.append(seconds)
        if self.hang:
            await asyncio.sleep(60)
        step = self.script[min(len(self.asked), len(self.script)) - 1]
        if step is not None:
            raise step
        return Reply(self.model.encode())

    async def open(self, call: Call, seconds: float) -> Stream:
        raise NotImplementedError

    async def close(self) -> None:
        pass


def member(upstream: Fake, weight: float = 1.0, failures: int = 100) -> Member:
    return Member(upstream, Breaker(failures, 30), weight)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; each takes no time."""
    made: list[float] = []
    sleep = asyncio.sleep

    async def short(seconds: float) -> None:
        made.append(seconds)
        await sleep(0)

    monkeypatch.setattr("proxy.upstreams.route._sleep", short)
    return made


def ask(route: Route, budget: Budget | None = None) -> str:
    async def main() -> str:
        made: Callable[[str], Call] = lambda model: Call(model.encode())  # noqa: E731
        return (await route.complete(made, budget or Budget(repeats=3))).body.decode()

    return asyncio.run(main())


def test_each_upstream_gets_its_own_models_name() -> None:
    a = Fake("a")
    assert ask(Route([member(a)], 10)) == "a"
    assert a.asked == [b"a"]


def test_weights_share_the_calls() -> None:
    a, b = Fake("a"), Fake("b")
    route = Route([member(a, 3), member(b, 1)], 10, draw=random.Random(1))
    for _ in range(400):
        ask(route)
    assert 270 < len(a.asked) < 330


@pytest.mark.parametrize("error", [BAD_GATEWAY, limited(0)])
def test_an_unanswered_call_is_repeated_after_a_pause(error: Unanswered, pauses: list[float]) -> None:
    a = Fake("a", [error, error, None])
    assert ask(Route([member(a)], 10)) == "a"
    assert len(pauses) == 2


def test_retry_after_is_waited_for(pauses: list[float]) -> None:
    ask(Route([member(Fake("a", [limited(4), None]))], 100))
    assert 4 <= pauses[0] < 13


@pytest.mark.parametrize("seconds", [3, 300])
def test_a_retry_after_beyond_the_time_is_the_clients_to_wait_for(seconds: float, pauses: list[float]) -> None:
    a = Fake("a", [limited(200), None])
    with pytest.raises(ApiError) as caught:
        ask(Route([member(a)], seconds), Budget(repeats=3, seconds=100))
    assert (caught.value.status, len(a.asked), pauses) == (429, 1, [])


@pytest.mark.parametrize("error", [ApiError.timeout("late"), ApiError.upstream("broken"), ApiError.bad_request("no")])
def test_what_may_have_been_billed_or_is_the_clients_fault_is_never_repeated(error: ApiError) -> None:
    a, b = Fake("a", [error]), Fake("b")
    with pytest.raises(ApiError):
        ask(Route([member(a)], 10, [[member(b)]]))
    assert (len(a.asked), len(b.asked)) == (1, 0)


def test_repeats_are_drawn_from_the_requests_budget() -> None:
    budget = Budget(repeats=3)
    a = Fake("a", [BAD_GATEWAY])
    for calls in (4, 5, 6):  # the budget is spent by the first answer's repeats
        with pytest.raises(ApiError):
            ask(Route([member(a)], 10), budget)
        assert len(a.asked) == calls


@pytest.mark.parametrize("error", [BAD_GATEWAY, limited(0), elsewhere()])
def test_a_fallback_answers_at_once(error: Unanswered, pauses: list[float]) -> None:
    a, b = Fake("a", [error]), Fake("b")
    assert ask(Route([member(a)], 10, [[member(b)]])) == "b"
    assert (len(a.asked), pauses) == (1, [])


def test_an_upstream_that_is_broken_is_not_asked_again() -> None:
    a = Fake("a", [elsewhere()])
    with pytest.raises(ApiError):
        ask(Route([member(a)], 10))
    assert len(a.asked) == 1


def test_what_may_pass_soon_is_said_rather_than_what_stays() -> None:
    route = Route([member(Fake("a", [elsewhere()]))], 10, [[member(Fake("b", [limited(50)]))]])
    with pytest.raises(ApiError) as caught:
        ask(route)
    assert caught.value.status == 429


def test_an_upstream_that_failed_often_rests_and_its_fallback_costs_no_repeat() -> None:
    a, b = Fake("a", [ApiError.upstream("broken")]), Fake("b")
    route = Route([member(a, failures=2)], 10, [[member(b)]])
    for _ in range(2):
        with pytest.raises(ApiError):
            ask(route)
    assert ask(route, Budget(repeats=0)) == "b"
    assert len(a.asked) == 2


def test_when_all_rest_nothing_is_sent() -> None:
    a = Fake("a", [ApiError.timeout("late")])
    route = Route([member(a, failures=1)], 10)
    with pytest.raises(ApiError):
        ask(route)
    with pytest.raises(ApiError) as caught:
        ask(route)
    assert (caught.value.status, caught.value.code, len(a.asked)) == (503, "upstream_resting", 1)
    assert 1 <= int(caught.value.headers["retry-after"]) <= 30
    assert "x-should-retry" not in caught.value.headers


@pytest.mark.parametrize("error", [limited(0), ApiError.bad_request("no")])
def test_limits_and_clients_errors_do_not_open_the_breaker(error: ApiError) -> None:
    a = Fake("a", [error])
    route = Route([member(a, failures=1)], 10)
    for _ in range(3):
        with pytest.raises(ApiError):
            ask(route, Budget())
    assert len(a.asked) == 3


def test_a_client_that_leaves_ends_the_call_and_says_nothing_of_the_upstream() -> None:
    a = Fake("a", hang=True)
    route = Route([member(a, failures=1)], 30)

    async def main() -> None:
        task = asyncio.create_task(route.complete(lambda model: Call(b""), Budget(repeats=3)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert len(a.asked) == 1
    assert route.members[0].breaker.allows()


def test_the_time_bounds_all_repeats_together() -> None:
    a = Fake("a", [BAD_GATEWAY, None])
    ask(Route([member(a)], 10))
    assert 0 < a.seconds[1] < a.seconds[0] <= 10
    ask(Route([member(a)], 10), Budget(seconds=2))
    assert a.seconds[2] <= 2
