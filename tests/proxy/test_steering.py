"""The loop with scripted steps: what it asks for, when it stops, what it returns."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchors.score import Score, Unscored
from policies.curve import GENERIC
from policies.instruct import RUNGS, Instruction
from policies.plan import learn
from policies.plant import Memory, Plant
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
    deterministic: bool = False
    repeats: int = 3
    others: Mapping[str, Score | Unscored] = field(default_factory=dict)
    now: float = 0.0
    plant: Plant = field(default_factory=Plant)
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

    async def evaluate(self, texts: Sequence[str], reply: int) -> Sequence[Mapping[str, Score | Unscored]]:
        return [{VALUE: self.scores[int(t.split()[1])]} | dict(self.others) for t in texts]

    async def applies(self) -> bool:
        return self.speaks

    def run(self, **fields: object) -> Outcome[int]:
        policy = Policy.model_validate(
            {"tenant": "t", "targets": {VALUE: Target(target=6, tolerance=2, hard=True)}} | fields
        )
        self.budget = Budget.of(policy, self.repeats, lambda: self.now)
        outcome = asyncio.run(steer(policy, self, self.budget, self.plant))
        learn(policy, [a.past for a in outcome.attempts], self.plant)
        return outcome


@dataclass
class Weak(Scripted):
    """A fake model whose answers lie 2.5 points below what is usual."""

    scores: Sequence[Score | Unscored | Exception] = ()

    async def complete(self, instruction: Instruction, kept: Kept[int] | None) -> Completion[int]:
        mean = GENERIC.mean[RUNGS.index(instruction.doses.get(VALUE, 0.0))]
        self.scores = [*self.scores, score(mean - 2.5)]
        return await super().complete(instruction, kept)


def test_first_answer_in_range() -> None:
    world = Scripted([score(6)])
    outcome = world.run()
    assert (outcome.name, len(world.asked), outcome.returned.completion.reply) == ("in_range", 1, 0)
    assert world.asked[0].system
    assert not world.asked[0].feedback


def test_a_miss_is_asked_again_with_feedback_on_that_draft_only() -> None:
    world = Scripted([score(1), score(2), score(6)], tokens=1000)
    outcome = world.run()
    assert (outcome.name, len(world.asked)) == ("in_range", 3)
    assert "answer 0" in world.asked[1].feedback
    assert "answer 0" not in world.asked[2].feedback
    assert world.asked[1].doses[VALUE] >= world.asked[0].doses[VALUE]


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
    world = Scripted([score(3.5)] * 9)
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


def test_a_deterministic_upstream_is_never_asked_the_same_again() -> None:
    world = Scripted([score(3.9)] * 9, deterministic=True)
    world.run(attempts=9)
    assert len(world.asked) > 2
    assert len({(i.system, i.feedback) for i in world.asked}) == len(world.asked)


def test_a_sampling_upstream_may_be_asked_the_same_again() -> None:
    world = Scripted([score(3.9)] * 9)
    world.run(attempts=9)
    assert len({(i.system, i.feedback) for i in world.asked}) < len(world.asked)


def test_what_no_dose_can_reach_ends_early_and_says_what_can_be_reached() -> None:
    world = Scripted([score(-3)] * 9)
    outcome = world.run(attempts=9)
    assert outcome.name == "unreachable"
    assert len(world.asked) < 9
    low, high = outcome.reach[VALUE]
    assert low < high < 4


def test_candidates_are_asked_side_by_side_and_the_best_is_returned() -> None:
    world = Scripted([score(1), score(6.2), score(5.5)])
    outcome = world.run(attempts=3, candidates=3)
    assert (outcome.name, len(outcome.attempts)) == ("in_range", 3)
    assert outcome.returned.completion.reply == 1


@given(st.integers(1, 4), st.integers(1, 10), st.integers(150, 3000))
def test_candidates_keep_to_the_budget(candidates: int, attempts: int, tokens: int) -> None:
    world = Scripted([score(3.5)] * 20, tokens=150)
    outcome = world.run(attempts=attempts, candidates=candidates, budget=Allowed(tokens=tokens))
    assert len(world.asked) <= attempts
    assert outcome.tokens <= max(tokens, 150 * min(candidates, attempts))


def test_candidates_of_a_deterministic_upstream_differ() -> None:
    world = Scripted([score(1)] * 3, deterministic=True)
    world.run(attempts=3, candidates=3)
    assert len({i.system for i in world.asked}) == 3


def overflow() -> ApiError:
    return ApiError.bad_request("This model's maximum context length is 4096 tokens.", code="context_length_exceeded")


def test_an_overflow_drops_the_feedback_first() -> None:
    world = Scripted([score(1), overflow(), score(6)], tokens=1000)
    outcome = world.run()
    assert (outcome.name, len(outcome.attempts)) == ("in_range", 2)
    assert world.asked[1].feedback
    assert world.asked[2].system
    assert not world.asked[2].feedback


def test_an_overflow_drops_exemplars_before_anything_and_the_loop_goes_on_without() -> None:
    world = Scripted([overflow(), score(-1), score(-4)], tokens=1000)
    outcome = world.run(targets={VALUE: Target(max=-2, hard=True)})
    assert [i.exemplars for i in world.asked] == [True, False, False]
    assert world.asked[1].system.startswith("[operator outlook]")
    assert (outcome.name, len(outcome.attempts)) == ("in_range", 2)


def test_an_overflow_of_the_first_attempt_ends_with_the_plain_answer() -> None:
    world = Scripted([overflow(), score(1), score(6)])
    outcome = world.run()
    assert (outcome.name, outcome.returned.completion.reply) == ("missed", 1)
    assert [bool(i.system) for i in world.asked] == [True, False]
    assert Scripted([overflow(), score(6)]).run().name == "in_range"
    assert Scripted([overflow(), score(1)]).run(mode="steer").name == "steered"


def test_an_overflow_that_the_client_would_have_had_is_raised() -> None:
    with pytest.raises(ApiError):
        Scripted([overflow(), overflow()]).run()


def test_an_overflow_is_asked_again_only_within_the_budget() -> None:
    world = Scripted([overflow(), score(6)], repeats=0)
    with pytest.raises(ApiError):
        world.run()
    assert len(world.asked) == 1


def test_a_late_overflow_returns_what_stands() -> None:
    world = Scripted([score(1), overflow(), overflow()], tokens=1000)
    assert world.run().name == "missed"


def test_other_errors_are_not_asked_again() -> None:
    world = Scripted([ApiError.bad_request("'temperature' is wrong")])
    with pytest.raises(ApiError):
        world.run()


def test_the_loop_learns_from_every_attempt() -> None:
    world = Scripted([score(1), score(1.5), score(2)])
    world.run()
    assert sum(s.count.sum() for s in world.plant.store.sums.values()) > 2.9


def test_requests_one_after_another_need_fewer_attempts() -> None:
    plant = Plant()
    calls = []
    for _ in range(12):
        world = Weak(plant=Plant(plant.store))
        world.run(attempts=5, targets={VALUE: Target(target=3, tolerance=1.2, hard=True)})
        calls.append(len(world.asked))
    assert calls[0] > 1
    assert calls[-1] == 1


def test_other_values_are_looked_at_and_learned_from_unsteered_answers() -> None:
    store = Memory()
    others = {"svt/power": score(2.0)}
    for _ in range(6):
        Scripted([score(6)], others=others, plant=Plant(store)).run(mode="monitor")
    outcome = Scripted([score(6)], others=others, plant=Plant(store)).run()
    assert outcome.usual == {"svt/power": pytest.approx(2.0)}


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

    async def evaluate(self, texts: Sequence[str], reply: int) -> Sequence[Mapping[str, Score | Unscored]]:
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


def test_a_kept_choice_keeps_its_own_belief_and_teaches_once() -> None:
    world = Choices([], rounds=[[score(6), score(1)], [score(1)], [score(6)]], tokens=1000)
    outcome = world.run()
    first, *others = outcome.attempts
    assert len(others) == 2
    assert all(a.beliefs[0] == first.beliefs[0] for a in others)
    assert all(a.beliefs[1] != first.beliefs[1] for a in others)
    assert [len(a.past.choices) for a in outcome.attempts] == [2, 1, 1]
    assert [a.past.texts for a in others] == [["answer 1 0"], ["answer 2 0"]]


def test_candidates_ask_for_the_missing_choices_of_the_best_answer() -> None:
    rounds = [[score(0), score(1), score(0)], [score(6), score(0), score(6)], [score(1)], [score(6)]]
    world = Choices([], rounds=rounds)
    outcome = world.run(attempts=4, candidates=2)
    assert (outcome.name, world.wanted) == ("in_range", [None, None, 1, 1])
    assert outcome.returned.completion.texts == ["answer 1 0", "answer 3 0", "answer 1 2"]


def test_candidates_that_fail_count_as_attempts() -> None:
    world = Scripted([score(3.5), ApiError.upstream("x")] * 9)
    outcome = world.run(attempts=4, candidates=2)
    assert (outcome.name, len(world.asked), len(outcome.attempts)) == ("missed", 4, 2)
