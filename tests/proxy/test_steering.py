"""The loop with scripted steps: what it asks for, when it stops, what it returns."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchors.score import Score, Unscored
from policies.instruct import Instruction
from policies.policy import Budget as Allowed
from policies.policy import Policy, Target
from proxy.budget import Budget
from proxy.errors import ApiError
from proxy.outcome import Completion, Kept, Outcome
from proxy.steering import steer

VALUE = "svt/benevolence"


def score(intensity: float, relevance: float = 1.0, sd: float = 0.5) -> Score:
    return Score(intensity, sd, intensity - 1, intensity + 1, relevance, intensity)


@dataclass
class Scripted:
    """A fake world: answers with these scores in turn, each taking `seconds` and `tokens`."""

    scores: Sequence[Score | Unscored | Exception]
    seconds: float = 1.0
    tokens: int = 100
    speaks: bool = True
    refused: Sequence[int] = ()
    unscorable: bool = False
    final: bool = False
    now: float = 0.0
    allowed: list[float] = field(default_factory=list)
    asked: list[Instruction] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)

    async def complete(self, instruction: Instruction, kept: Kept[int] | None) -> Completion[int]:
        assert self.budget.seconds > 0
        number = len(self.asked)
        self.asked.append(instruction)
        self.allowed.append(self.budget.seconds)
        self.now += self.seconds
        if isinstance(self.scores[number], Exception):
            raise self.scores[number]
        return Completion(
            number,
            [f"answer {number}"],
            self.tokens,
            number in self.refused,
            "empty" if self.unscorable else None,
            self.final,
        )

    async def evaluate(self, texts: Sequence[str]) -> Sequence[Mapping[str, Score | Unscored]]:
        return [{VALUE: self.scores[int(t.split()[1])]} for t in texts]

    async def applies(self) -> bool:
        return self.speaks

    def run(self, **fields: object) -> Outcome[int]:
        policy = Policy.model_validate(
            {"tenant": "t", "targets": {VALUE: Target(target=6, tolerance=2, hard=True)}} | fields
        )
        self.budget = Budget.of(policy, clock=lambda: self.now)
        return asyncio.run(steer(policy, self, self.budget))


def test_first_answer_in_range() -> None:
    world = Scripted([score(6)])
    outcome = world.run()
    assert (outcome.name, len(world.asked), outcome.returned.completion.reply) == ("in_range", 1, 0)
    assert world.asked[0].system
    assert not world.asked[0].feedback


def test_a_miss_is_asked_again_with_feedback_on_that_draft_only() -> None:
    world = Scripted([score(1), score(2), score(6)])
    outcome = world.run()
    assert (outcome.name, len(world.asked)) == ("in_range", 3)
    assert "answer 0" in world.asked[1].feedback
    assert "answer 1" in world.asked[2].feedback
    assert "answer 0" not in world.asked[2].feedback
    assert world.asked[1].doses[VALUE] > world.asked[0].doses[VALUE]


def test_the_best_attempt_is_kept() -> None:
    world = Scripted([score(1), score(3.5), score(2)])
    outcome = world.run()
    assert (outcome.name, outcome.returned.completion.reply) == ("missed", 1)
    assert outcome.tokens == 300


def test_in_range_by_luck_is_not_accepted() -> None:
    # 4.1 with sd 2.5 lies in 4..8, but P(in range) is about .45
    assert Scripted([score(4.1, sd=2.5)] * 3).run().name == "missed"


@pytest.mark.parametrize(("attempts", "calls"), [(1, 1), (2, 2), (5, 5)])
def test_attempts_are_a_bound(attempts: int, calls: int) -> None:
    world = Scripted([score(0)] * 9)
    world.run(attempts=attempts)
    assert len(world.asked) == calls


def test_no_attempt_begins_that_would_break_the_token_budget() -> None:
    world = Scripted([score(0)] * 9, tokens=100)
    world.run(attempts=9, budget=Allowed(tokens=350))
    assert len(world.asked) == 3


def test_no_attempt_begins_that_would_break_the_time_budget() -> None:
    world = Scripted([score(0)] * 9, seconds=4)
    world.run(attempts=9, budget=Allowed(seconds=10))
    assert len(world.asked) == 2


@given(
    st.lists(st.floats(-10, 10), min_size=10, max_size=10), st.integers(1, 10), st.integers(1, 2000), st.floats(0.1, 60)
)
def test_the_budget_holds_for_any_scores(scores: list[float], attempts: int, tokens: int, seconds: float) -> None:
    world = Scripted([score(s) for s in scores], tokens=150, seconds=3)
    outcome = world.run(attempts=attempts, budget=Allowed(tokens=tokens, seconds=seconds))
    assert len(world.asked) <= attempts
    assert len(world.asked) == 1 or (outcome.tokens <= tokens and world.now <= seconds)


def test_the_same_input_gives_the_same_doses() -> None:
    worlds = [Scripted([score(1), score(9), score(2)]) for _ in range(2)]
    for world in worlds:
        world.run()
    assert worlds[0].asked == worlds[1].asked


@pytest.mark.parametrize(("mode", "name", "steered"), [("steer", "steered", True), ("monitor", "monitored", False)])
def test_modes_that_score_once(mode: str, name: str, steered: bool) -> None:
    world = Scripted([score(-9)])
    outcome = world.run(mode=mode)
    assert (outcome.name, len(world.asked), bool(world.asked[0].system)) == (name, 1, steered)
    assert outcome.returned.choices[0][VALUE] == score(-9)


def test_off_neither_steers_nor_scores() -> None:
    world = Scripted([score(0)])
    outcome = world.run(mode="off")
    assert (outcome.name, world.asked[0].system, outcome.returned.choices) == ("off", "", [])


def test_a_prompt_without_the_value_is_first_answered_plainly_and_still_scored() -> None:
    world = Scripted([score(0, relevance=0.1)], speaks=False)
    outcome = world.run()
    assert (outcome.name, world.asked[0].system) == ("not_applicable", "")
    assert outcome.returned.choices


def test_not_applicable_needs_the_answer_to_lack_relevance_too() -> None:
    world = Scripted([score(0, relevance=0.9), score(6)], speaks=False)
    assert world.run().name == "in_range"
    assert not world.asked[0].system
    assert world.asked[1].system


def test_apply_always_steers_at_once() -> None:
    world = Scripted([score(6)], speaks=False)
    world.run(apply="always")
    assert world.asked[0].system


@pytest.mark.parametrize(
    "world", [Scripted([Unscored("overloaded")]), Scripted([score(6)], unscorable=True)], ids=["scorer", "no text"]
)
def test_what_cannot_be_scored_is_never_called_in_range(world: Scripted) -> None:
    assert world.run().name == "unscored"


def test_tool_calls_beside_text_are_not_retried() -> None:
    world = Scripted([score(0), score(6)], final=True)
    assert (world.run().name, len(world.asked)) == ("missed", 1)


def test_a_refusal_is_followed_by_a_weaker_dose() -> None:
    world = Scripted([score(6), score(6)], refused=[0])
    outcome = world.run()
    assert outcome.name == "in_range"
    assert abs(world.asked[1].doses[VALUE]) < abs(world.asked[0].doses[VALUE])
    assert not world.asked[1].feedback


def test_only_refusals() -> None:
    assert Scripted([score(6)] * 3, refused=[0, 1, 2]).run().name == "refused"


def test_on_miss_unsteered_returns_one_plain_answer() -> None:
    world = Scripted([score(0), score(0), score(2)])
    outcome = world.run(attempts=2, on_miss="unsteered")
    assert (outcome.name, outcome.returned.completion.reply, world.asked[2].system) == ("missed", 2, "")


def test_on_miss_unsteered_stays_within_the_budget() -> None:
    world = Scripted([score(0), score(1)] * 2)
    outcome = world.run(attempts=2, on_miss="unsteered", budget=Allowed(tokens=250))
    assert (len(world.asked), outcome.returned.completion.reply) == (2, 1)


def test_a_failure_of_the_first_attempt_is_raised() -> None:
    with pytest.raises(ApiError):
        Scripted([ApiError.upstream("x")]).run()


def test_a_late_failure_returns_what_there_is() -> None:
    outcome = Scripted([score(1), ApiError.upstream("x")]).run()
    assert (outcome.name, outcome.returned.completion.reply) == ("missed", 0)


def test_a_refusal_without_any_text_is_a_refusal_too() -> None:
    world = Scripted([Unscored("empty"), score(6)], refused=[0])
    assert (world.run().name, len(world.asked)) == ("in_range", 2)


def test_a_failing_unsteered_answer_leaves_the_best_one() -> None:
    outcome = Scripted([score(1), score(3), ApiError.upstream("x")]).run(attempts=2, on_miss="unsteered")
    assert (outcome.name, outcome.returned.completion.reply) == ("missed", 1)


def test_a_late_answer_that_cannot_be_scored_returns_the_best_one() -> None:
    outcome = Scripted([score(1), Unscored("overloaded")]).run()
    assert (outcome.name, outcome.returned.completion.reply) == ("missed", 0)


def test_an_unscored_answer_after_a_refusal_alone_is_unscored() -> None:
    assert Scripted([score(6), Unscored("overloaded")], refused=[0]).run().name == "unscored"


def test_a_refusal_of_the_plain_request_ends_at_once() -> None:
    world = Scripted([score(6)] * 3, refused=[0], speaks=False)
    assert (world.run().name, len(world.asked)) == ("refused", 1)


def test_a_plain_refusal_after_a_scored_answer_returns_that_one() -> None:
    world = Scripted([score(0), score(6), score(6)], refused=[1, 2])
    outcome = world.run(attempts=9, targets={VALUE: Target(min=1, max=3, hard=True)})
    assert (outcome.name, outcome.returned.completion.reply) == ("missed", 0)


def test_the_same_request_is_not_billed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.steering.plan", lambda *_: Instruction({VALUE: 0.3}, "the same", ""))
    world = Scripted([score(1)] * 3)
    outcome = world.run()
    assert (outcome.name, len(world.asked)) == ("missed", 1)


@pytest.mark.parametrize(("mode", "seconds"), [("enforce", 45.0), ("steer", inf), ("monitor", inf), ("off", inf)])
def test_the_time_budget_bounds_enforce_alone(mode: str, seconds: float) -> None:
    world = Scripted([score(6)])
    world.run(mode=mode)
    assert world.allowed == [seconds]


def test_on_miss_unsteered_does_not_follow_tool_calls() -> None:
    world = Scripted([score(0), score(6)], final=True)
    assert (world.run(on_miss="unsteered").name, len(world.asked)) == ("missed", 1)


@dataclass
class Choices(Scripted):
    """A fake world with several choices: each attempt gives those scores, of as many choices as were asked for."""

    rounds: Sequence[Sequence[Score]] = ()
    wanted: list[int | None] = field(default_factory=list)

    async def complete(self, instruction: Instruction, kept: Kept[int] | None) -> Completion[int]:
        number = len(self.asked)
        self.asked.append(instruction)
        self.wanted.append(len(kept.places) if kept else None)
        new = [f"answer {number} {i}" for i in range(len(self.rounds[number]))]
        if kept is None:
            return Completion(number, new, self.tokens)
        texts = list(kept.completion.texts)
        for place, text in zip(kept.places, new, strict=True):
            texts[place] = text
        return Completion(number, texts, self.tokens, kept_tokens=kept.completion.returned)

    async def evaluate(self, texts: Sequence[str]) -> Sequence[Mapping[str, Score | Unscored]]:
        places = [tuple(int(n) for n in text.split()[1:]) for text in texts]
        return [{VALUE: self.rounds[number][i]} for number, i in places]


def test_only_the_missing_choices_are_asked_for_again() -> None:
    world = Choices([], rounds=[[score(6), score(1), score(0)], [score(6), score(2)], [score(6)]])
    outcome = world.run()
    assert (outcome.name, world.wanted) == ("in_range", [None, 2, 1])
    assert outcome.returned.completion.texts == ["answer 0 0", "answer 1 0", "answer 2 0"]
    assert [c[VALUE].intensity for c in outcome.returned.choices] == [6, 6, 6]
    assert (outcome.tokens, outcome.returned.completion.returned) == (300, 300)


def test_the_outcome_is_the_worst_choices() -> None:
    world = Choices([], rounds=[[score(6), score(0)], [score(1)], [score(0.5)]])
    outcome = world.run()
    assert (outcome.name, outcome.returned.completion.texts) == ("missed", ["answer 0 0", "answer 1 0"])
    assert "answer 1 0" in world.asked[2].feedback


def test_when_no_choice_is_accepted_all_are_asked_for_again() -> None:
    world = Choices([], rounds=[[score(0), score(1)], [score(6), score(6)]])
    assert (world.run().name, world.wanted) == ("in_range", [None, None])
