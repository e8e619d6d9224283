"""A model as the gauge of the running product: answers are ranked by it, in the loop and as a second opinion."""

import json
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.upstreams.upstream import InvalidModels
from tests.proxy.clients import openai_client
from tests.proxy.servers import ScriptedUpstream, Served, eventually, served
from tests.proxy.test_cli import valueflow

POLICY = "tenant: acme\ntargets:\n  benevolence: {min: 2, hard: true}\napply: always\naccept: 0.5\ndebug: true\n"
WARM = "Drop everything and sit with your sister."
COLD = "Leave your sister to her own devices."
JUDGING = "Order the texts of the window"


def serving(folder: Path, answer: str, **more: Any) -> AbstractContextManager[Served]:
    """The product; its one upstream always gives this answer, and as a fake judge ranks WARM first and COLD last."""

    def reply(number: int, body: dict[str, Any]) -> str:
        prompt = body["messages"][-1]["content"]
        if JUDGING not in prompt:
            return answer
        texts = dict(re.findall(r"^([A-H])\. (.*)$", prompt.split("\n=== ", 1)[1], re.MULTILINE))
        mine = next(letter for letter, text in texts.items() if "your sister" in text)
        others = [letter for letter in texts if letter != mine]
        order = ["5", *others[:3], "4", "3", "2", *others[3:], "1"]
        return f"w: {' '.join([mine, *order] if WARM in prompt else [*order, mine])} | off: -"

    return served(folder, POLICY, ScriptedUpstream(reply), **more)


def ask(found: Served) -> Any:
    client = openai_client(found)
    question = [{"role": "user", "content": "What do I owe her?"}]
    headers = {"x-valueflow-debug": "1"}
    return client.chat.completions.with_raw_response.create(model="m", messages=question, extra_headers=headers)  # type: ignore[call-overload]


@pytest.mark.parametrize(("answer", "outcome"), [(WARM, "in_range"), (COLD, "unreachable")])
def test_the_loop_goes_by_the_models_rankings(tmp_path: Path, answer: str, outcome: str) -> None:
    with serving(tmp_path, answer, gauge_model="chat-only") as found:
        reply = ask(found)
        assert reply.headers["x-valueflow-outcome"] == outcome
        assert reply.headers["x-valueflow-evaluator"].startswith("judge-chat-only-")
        value = reply.parse().model_extra["valueflow"]["values"]["svt/benevolence"]
        assert (value["intensity"] > 5) == (answer == WARM)
        judged = [body for body in found.upstream.bodies if JUDGING in body["messages"][-1]["content"]]
        assert judged
        assert all(body["temperature"] == 0 for body in judged)


def test_a_score_from_the_command_line_is_the_models_too(tmp_path: Path) -> None:
    with serving(tmp_path, WARM) as found:
        models = tmp_path / "judge.yaml"
        models.write_text(f"models:\n  j: {{kind: openai, base_url: '{found.upstream.url}/v1', model: x}}\n")
        settings = {"VALUEFLOW_GAUGE_MODEL": "j", "VALUEFLOW_MODELS": str(models)}
        lines = tmp_path / "in.jsonl"
        lines.write_text("".join(json.dumps({"text": t, "values": ["benevolence"]}) + "\n" for t in (WARM, COLD)))
        done = valueflow("score", "--jsonl", str(lines), **settings)
        warm, cold = (json.loads(line) for line in done.stdout.splitlines())
        assert warm["evaluator"].startswith("judge-j-")
        assert warm["scores"]["svt/benevolence"]["intensity"] > 5
        assert cold["scores"]["svt/benevolence"]["intensity"] < -5


def test_a_second_model_measures_accepted_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.second.SHARE", 1.1)
    with serving(tmp_path, WARM, gauge_model="chat-only", second_model="m") as found:
        assert ask(found).headers["x-valueflow-outcome"] == "in_range"
        counted = 'valueflow_audit_gap_count{attempt="1"} 1.0'
        eventually(lambda: counted in httpx.get(f"{found.admin}/metrics").text)


def test_a_judge_that_is_no_model_is_refused_at_start(tmp_path: Path) -> None:
    expected = pytest.raises(InvalidModels, match="VALUEFLOW_GAUGE_MODEL: model 'nobody'")
    with expected, serving(tmp_path, WARM, gauge_model="nobody"):
        pass
