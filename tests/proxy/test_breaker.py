from dataclasses import dataclass

from proxy.upstreams.breaker import Breaker


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(3, 30, clock)
    for _ in range(3):
        assert breaker.allows()
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert not breaker.allows()
    assert breaker.wait == 30


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(2, 30, Clock())
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.allows()


def test_after_the_rest_one_call_tries() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 30
    assert breaker.allows()
    assert not breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()


def test_a_failing_trial_rests_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 30
    assert breaker.allows()
    breaker.failed()
    clock.now += 29
    assert not breaker.allows()


def test_a_trial_whose_client_left_proves_nothing_and_lets_the_next_one_try() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 30
    assert breaker.allows()
    breaker.abandoned()
    assert breaker.allows()
    assert not breaker.allows()


def test_a_trial_that_never_reports_does_not_close_the_way_for_ever() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 30
    assert breaker.allows()
    clock.now += 30
    assert breaker.allows()
