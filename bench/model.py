"""The loop with a real model and the shipped gauge: a naive prompt against the loop, and telling a model its score.

    make bench-model            (python -m bench.model [--prompts N] [--report] [--second MODEL])

For 40 value-laden prompts and 6 one-sided targets the in-process model answers

plain       without any steering, twice: the second one shows what chance alone moves
naive       to a system text of adjectives, once
loop        through the product's loop, from no knowledge of the model, learning as it goes; at most three answers
told        once more after the loop's first miss: the same dose, with the draft, its score and its gap at the tail
again       the same without the tail

Answers are kept in var/bench-model-GAUGE.jsonl as they come, so that a run that was cut off goes on. `--second` lets a
model of VALUEFLOW_MODELS judge them, too. Intervals: 95%, bootstrap over prompts.
"""

import argparse
import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from anchors.encoder import PACKAGED
from anchors.evaluator import Evaluate, Text, default_evaluator
from anchors.prompts import Prompt, plain_questions
from anchors.score import Score
from bench.report import write
from policies.instruct import Instruction, feedback_turn
from policies.plan import Past, learn
from policies.plant import CurveStore, Memory, Plant
from policies.policy import Budget as Limits
from policies.policy import Policy, Target
from policies.refusal import is_refusal
from proxy.budget import Budget
from proxy.outcome import Attempt, Completion
from proxy.steering import steer
from proxy.upstreams.upstream import LocalModel
from proxy.wires.chat import ChatRequest

ROWS = Path("var")
PROMPTS = 40
MAX_TOKENS = 80
GATHER = 0.5
"""Seconds in which askers are waited for before a batch is generated."""
TARGETS: Mapping[str, tuple[Target, str]] = {
    "svt/benevolence": (Target(min=1, hard=True), "caring, loyal, forgiving and helpful to those close to you"),
    "duty/fidelity": (Target(min=1, hard=True), "truthful, faithful and true to your word"),
    "svt/achievement": (Target(min=1, hard=True), "ambitious, capable, competitive and successful"),
    "svt/conformity": (Target(max=-1, hard=True), "disobedient, defiant and rude"),
    "svt/hedonism": (Target(max=-1, hard=True), "austere, abstinent and strict"),
    "mft/authority": (Target(max=-1, hard=True), "irreverent, rebellious and insubordinate"),
}
"""By value: what is wanted, and the adjectives of the naive prompt. In a pilot with `min: 3` nothing was in range."""
OPEN = frozenset({"personal", "work", "opinion", "smalltalk", "howto"})
"""Kinds of prompts that a very small model can answer at all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: what it was asked with, its text, tokens of prompt and answer, and [intensity, sd, relevance]."""

    dose: float
    told: bool
    text: str
    tokens: int
    scores: Mapping[str, Sequence[float]]
    exemplars: bool = False

    def score(self, value: str) -> Score:
        """Its score on a value, without interval and utility."""
        intensity, sd, relevance = self.scores[value]
        return Score(intensity, sd, intensity, intensity, relevance, intensity)

    def past(self, value: str) -> Past:
        """As the loop remembers it."""
        asked = ("steered" if self.dose else "", "told" if self.told else "")
        instruction = Instruction({value: self.dose}, *asked, exemplars=self.exemplars)
        scores = {name: self.score(name) for name in self.scores}
        return Past(instruction, [self.text], [scores], is_refusal(self.text), self.tokens)


@dataclass(frozen=True, slots=True)
class Row:
    """All answers to one prompt for one target; `returned` is the number of the loop's answer that a client gets."""

    prompt: str
    value: str
    plain: Sequence[Answer]
    naive: Answer
    loop: Sequence[Answer]
    outcome: str
    returned: int
    told: Answer | None
    again: Answer | None


class Together:
    """The in-process model, asked for the answers of all who wait in one batch: several times the answers a second."""

    def __init__(self, local: Any) -> None:
        self._tokenizer, self._model, self._temperature = local._tokenizer, local._model, local._temperature
        self._tokenizer.padding_side = "left"
        self._waiting: list[tuple[list[dict[str, str]], asyncio.Future[tuple[str, int]]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, messages: list[dict[str, str]]) -> tuple[str, int]:
        """The answer's text, and the tokens of prompt and answer."""
        done: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        self._waiting.append((messages, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        await asyncio.sleep(GATHER)
        batch, self._waiting = self._waiting, []
        try:
            answers = await asyncio.to_thread(self._generate, [messages for messages, _ in batch])
        except Exception as error:
            for _, done in batch:
                done.set_exception(error)
            return
        finally:
            if self._waiting:
                self._worker = asyncio.create_task(self._work())
        for (_, done), answer in zip(batch, answers, strict=True):
            done.set_result(answer)

    def _generate(self, batch: list[list[dict[str, str]]]) -> list[tuple[str, int]]:
        import torch

        inputs = self._tokenizer.apply_chat_template(
            batch, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
        )
        end, width = self._tokenizer.eos_token_id, inputs["input_ids"].shape[1]
        with torch.inference_mode():
            output = self._model.generate(
                **inputs, max_new_tokens=MAX_TOKENS, pad_token_id=end, do_sample=True,
                temperature=self._temperature, top_p=1.0, top_k=50,
            )  # fmt: skip
        answers = []
        for mask, tokens in zip(inputs["attention_mask"], output[:, width:].tolist(), strict=True):
            own = tokens[: tokens.index(end) + 1] if end in tokens else tokens
            text = self._tokenizer.decode(own, skip_special_tokens=True).strip()
            answers.append((text, int(mask.sum()) + len(own)))
        return answers


Generate = Callable[[list[dict[str, str]]], Awaitable[tuple[str, int]]]


class Bench:
    """Asks one model and measures with one evaluator."""

    def __init__(self, generate: Generate, evaluator: Evaluate) -> None:
        self._generate = generate
        self._evaluator = evaluator
        self._turn = asyncio.Lock()

    async def ask(self, prompt: Prompt, instruction: Instruction) -> Answer:
        """One answer, measured on all values."""
        request = ChatRequest(json.dumps({"model": "m", "messages": list(prompt.messages)}).encode())
        text, tokens = await self._generate(json.loads(request.body("m", instruction))["messages"])
        async with self._turn:
            scores = (await asyncio.to_thread(self._evaluator.evaluate, [Text(text)], list(self._evaluator.values)))[0]
        measured = {
            v: [round(s.intensity, 3), round(s.sd, 3), round(s.relevance, 4)]
            for v, s in scores.items()
            if isinstance(s, Score)
        }
        dose = next(iter(instruction.doses.values()), 0.0)
        return Answer(dose, bool(instruction.feedback), text, tokens, measured, instruction.exemplars)

    async def row(self, prompt: Prompt, value: str, plain: Sequence[Answer], store: CurveStore) -> Row:
        """Everything for one prompt and target; the loop learns into the store."""
        target, adjectives = TARGETS[value]
        naive = await self.ask(prompt, Instruction({}, f"You are {adjectives}."))
        steps, plant = _Steps(self, prompt, value), Plant(store, "bench", "m")
        outcome = await steer(policy_of(value), steps, Budget.of(policy_of(value)), plant)
        learn(policy_of(value), [a.past for a in outcome.attempts], plant)
        first = outcome.attempts[0]
        told, again = await self._pair(prompt, value, target, first) if _missed(first) else (None, None)
        number = next(n for n, a in enumerate(outcome.attempts) if a is outcome.returned)
        return Row(prompt.id, value, plain, naive, steps.answers, outcome.name, number, told, again)

    async def _pair(
        self, prompt: Prompt, value: str, target: Target, first: Attempt[int]
    ) -> tuple[Answer | None, Answer | None]:
        scores = {n: s for n, s in first.choices[0].items() if n == value and isinstance(s, Score)}
        tail = feedback_turn(first.completion.texts[0], scores, {value: target})
        if not tail:
            return None, None
        told = await self.ask(prompt, replace(first.instruction, feedback=tail))
        again = await self.ask(prompt, first.instruction)
        return told, again


def _missed(first: Attempt[int]) -> bool:
    return bool(first.instruction.system and first.verdict and not first.verdict.accepted)


@dataclass(slots=True)
class _Steps:
    """The loop's steps on the bench."""

    bench: Bench
    prompt: Prompt
    value: str
    deterministic: bool = False
    answers: list[Answer] = field(default_factory=list)

    async def complete(self, instruction: Instruction, kept: object) -> Completion[int]:
        answer = await self.bench.ask(self.prompt, instruction)
        self.answers.append(answer)
        unscorable = None if answer.text.strip() else "empty"
        number, refused = len(self.answers) - 1, is_refusal(answer.text)
        return Completion(number, [answer.text], answer.tokens, refused, unscorable)  # type: ignore[arg-type]

    async def evaluate(self, texts: Sequence[str], reply: int) -> Sequence[Mapping[str, Score]]:
        answer = self.answers[reply]
        return [{name: answer.score(name) for name in answer.scores}]

    async def applies(self) -> bool:
        return True


def policy_of(value: str) -> Policy:
    """The policy of one target: every default but the waiting, and steering whatever the prompt is."""
    limits = Limits(seconds=600, tokens=100_000)
    return Policy(tenant="bench", targets={value: TARGETS[value][0]}, apply="always", budget=limits)


def chosen() -> list[Prompt]:
    """Of open questions those first to which most of the targets apply."""
    questions = [p for p in plain_questions() if p.kind in OPEN]
    return sorted(questions, key=lambda p: (-len(p.applies & TARGETS.keys()), zlib.crc32(p.id.encode())))[:PROMPTS]


def read(path: Path) -> list[Row]:
    """The rows so far; a last line that was cut off is left out."""
    rows = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else []:
        try:
            raw = json.loads(line)
        except ValueError:
            continue
        for name in ("naive", "told", "again"):
            raw[name] = Answer(**raw[name]) if raw[name] else None
        for name in ("plain", "loop"):
            raw[name] = [Answer(**one) for one in raw[name]]
        rows.append(Row(**raw))
    return rows


async def run(bench: Bench, path: Path, prompts: Sequence[Prompt], tell: Callable[[str], None]) -> None:
    """Do what is not in the file yet, prompt by prompt, so that any part of it is balanced over targets."""
    rows = read(path)
    store, plains = Memory(), {row.prompt: row.plain for row in rows}
    for row in rows:
        learn(policy_of(row.value), [a.past(row.value) for a in row.loop], Plant(store, "bench", "m"))
    done = {(row.prompt, row.value) for row in rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for prompt in prompts:
            left = [value for value in TARGETS if (prompt.id, value) not in done]
            if not left:
                continue
            if prompt.id not in plains:
                plains[prompt.id] = await asyncio.gather(*(bench.ask(prompt, Instruction({})) for _ in range(2)))
            # targets side by side: each is of a value of its own, so that none learns from another
            found = await asyncio.gather(*(bench.row(prompt, value, plains[prompt.id], store) for value in left))
            file.writelines(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in found)
            file.flush()
            done |= {(prompt.id, value) for value in left}
            tell(f"{len(done)} of {len(prompts) * len(TARGETS)}: {' '.join(row.outcome for row in found)}")


def main() -> None:
    """Run what is left, print, and write bench/results/model.json."""
    from bench.figures import Reading, figures, second_reading
    from proxy.cli.shared import read_scoring, read_settings

    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=PROMPTS, help="only so many prompts")
    parser.add_argument("--report", action="store_true", help="only the figures of what is done")
    parser.add_argument("--second", default="", help="a model that judges the answers, too")
    options = parser.parse_args()
    evaluator = default_evaluator(PACKAGED)
    path = ROWS / f"bench-model-{evaluator.version}.jsonl"
    if not options.report:
        from proxy.upstreams.local import Local

        bench = Bench(Together(Local(LocalModel(kind="local"))), evaluator)
        asyncio.run(run(bench, path, chosen()[: options.prompts], lambda text: print(text, flush=True)))
    rows = read(path)
    prompts = len({row.prompt for row in rows})
    note = f"SmolLM2-135M, {prompts} prompts x {len(TARGETS)} targets, 95% over prompts, gauge "
    write("model", figures(rows), note + evaluator.version)
    if options.second:

        async def judged() -> Reading:
            settings = read_settings().model_copy(update={"gauge_model": options.second})
            async with read_scoring(settings) as (scoring, _):
                return await second_reading(rows, scoring)

        write("model-second", figures(rows, asyncio.run(judged()), leakage=False), note + options.second)


if __name__ == "__main__":
    main()
