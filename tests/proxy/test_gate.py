"""What the gate is asked in front of the loop, on every wire, and what its answer does."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from anchors.score import Score
from proxy.settings import DEMO_KEY
from tests.proxy.replies import message, response
from tests.proxy.servers import Scorer, ScriptedUpstream, Served, completion, served

POLICY = "tenant: acme\ntargets:\n  benevolence: {min: 2, hard: true}\n  power: {max: 2}\n"
SPOKEN = [("user", "My brother moves house."), ("assistant", "When?"), ("user", "Saturday. Should I go?")]
TURNS = [{"role": role, "content": text} for role, text in SPOKEN]
REPLIES = {
    "/v1/chat/completions": completion("Go."), "/v1/responses": response("Go."), "/v1/messages": message("Go."),
}  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "system", "content": "Be brief."}, *TURNS]},
    "/v1/responses": {"instructions": "Be brief.", "input": TURNS},
    "/v1/messages": {"system": "Be brief.", "max_tokens": 99, "messages": TURNS},
}


class Gate:
    """A fake gate: says what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer = True
        self.asked: list[tuple[list[str], list[str]]] = []

    def __call__(self, turns: Sequence[str], values: Sequence[str]) -> dict[str, bool]:
        self.asked.append((list(turns), list(values)))
        return dict.fromkeys(values, self.answer)


class Silent(Scorer):
    """A fake evaluator: answers speak to nothing."""

    def _one(self, text: str) -> Score:
        return Score(0.0, 0.5, -1.0, 1.0, 0.05, 0.0)


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Gate]]:
    gate = Gate()
    upstream = ScriptedUpstream(lambda number, body: REPLIES["/v1/chat/completions"])
    with served(tmp_path_factory.mktemp("gate"), POLICY, upstream, scorer=Silent(gate=gate)) as found:
        yield found, gate


def ask(found: Served, path: str, **body: Any) -> httpx.Response:
    found.upstream.seen.clear()
    found.upstream.reply = lambda number, sent: REPLIES[path]
    headers = {"authorization": f"Bearer {DEMO_KEY}", "x-api-key": DEMO_KEY, "anthropic-version": "2023-06-01"}
    return httpx.post(found.url + path, json={"model": "m"} | body, headers=headers)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("applies", [True, False])
def test_the_gate_hears_the_conversation_and_decides_on_steering(
    gated: tuple[Served, Gate], path: str, applies: bool
) -> None:
    found, gate = gated
    gate.asked.clear()
    gate.answer = applies
    got = ask(found, path, **BODIES[path])
    assert gate.asked == [([text for _, text in SPOKEN], ["svt/benevolence"])]
    steered = b"operator outlook" in found.upstream.seen[0][1]
    assert steered is applies
    # an answer that is silent, too, ends the request; scored it is in any case
    assert (got.headers["x-valueflow-outcome"] == "not_applicable") is not applies


def test_without_a_text_of_the_user_nothing_is_skipped(gated: tuple[Served, Gate]) -> None:
    found, gate = gated
    gate.asked.clear()
    gate.answer = False
    picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    ask(found, "/v1/chat/completions", messages=[*TURNS, {"role": "user", "content": picture}])
    assert not gate.asked
    assert b"operator outlook" in found.upstream.seen[0][1]


def test_the_shipped_gate_does_not_miss_a_brothers_move(tmp_path: Path) -> None:
    with served(tmp_path, POLICY, ScriptedUpstream(lambda number, body: "Go and help him carry the sofa.")) as found:
        for question, steered in (("Should I help my brother move house?", True), ("What is 2+2?", False)):
            found.upstream.seen.clear()
            body = {"model": "m", "messages": [{"role": "user", "content": question}]}
            headers = {"authorization": f"Bearer {DEMO_KEY}"}
            httpx.post(f"{found.url}/v1/chat/completions", json=body, headers=headers, timeout=60)
            assert (b"operator outlook" in found.upstream.seen[0][1]) is steered
