"""The compatibility matrix: every endpoint, delivery and case, driven by that endpoint's official clients.

    make compatibility

Starts the product before a scripted upstream on real sockets, runs each client in a process of its own and writes
`docs/compatibility.md`. The fake evaluator answers at once: what is shown here is the wires. Clients that the project
does not need (Node's `openai`, LangChain) are installed under a temporary folder. Ends with 1 when a cell fails.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from anchors import evaluator as anchors_evaluator
from bench.clients.cells import ADVICE, ARGUMENTS, CASES, PARAMETERS, PIXEL, SCHEMA, TEXT
from bench.processes import Instant
from proxy.settings import DEMO_KEY
from tests.proxy import replies
from tests.proxy.servers import ScriptedUpstream, Served, completion, served, sse

NODE_OPENAI, LANGCHAIN, SCHEMATHESIS = "7.57.0", "1.7.3", "4.32.5"
POLICY = "tenant: acme\napply: always\naccept: 0.0\ntargets:\n  benevolence: {min: -10, hard: true}\n"
OUT = Path("docs/compatibility.md")
PYTHON_CLIENTS = {"openai Python": "bench.clients.openai_python", "anthropic Python": "bench.clients.anthropic_python"}
STREAMS = {mode: f"{POLICY}stream: {mode}\nwindow: 2\n" for mode in ("buffer", "window", "monitor")}
HELD = frozenset({"tools", "schema", "n2"})
"""Cases of which `stream: window` buffers the answer."""
COLUMNS = {
    "text": "text", "tools": "tools", "schema": "JSON schema", "n2": "n=2", "image": "image part",
    "refusal": "refusal", "error": "error", "disconnect": "disconnect",
}  # fmt: skip


@dataclass
class CaseUpstream(ScriptedUpstream):
    """A fake upstream that answers the case which a question names, on every wire, whole or as a stream.

    `gone` are cells that left, `live` client, path and case of the calls that asked it for a stream.
    """

    gone: set[str] = field(default_factory=set)
    live: set[tuple[str, str, str]] = field(default_factory=set)

    async def answer(self, request: Request) -> Response:
        raw = await request.body()
        found = re.search(r"case:(\w+)(?: tag:([^\"\\]*))?", raw.decode())
        case, tag = (found[1], found[2] or "") if found else ("text", "")
        path, streamed = request.path_params["path"], json.loads(raw).get("stream") is True
        if streamed:
            self.live.add((tag.partition("/")[0], path, case))
        if case == "disconnect" and await self._gone_within(request, 10):
            self.gone.add(tag)
            return Response()
        if case == "error" or (case == "image" and PIXEL not in raw.decode()):
            error = {"message": "no such thing", "type": "invalid_request_error", "param": None, "code": None}
            return JSONResponse({"type": "error", "error": error}, 400)
        whole = REPLIES[path](case)
        return EVENTS[path](whole) if streamed else JSONResponse(whole)


def _chat(case: str) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ARGUMENTS}}
    if case == "tools":
        return completion(None, tool_calls=[call])
    made = completion(ADVICE if case == "schema" else TEXT)
    if case == "refusal":
        made["choices"][0]["message"] |= {"content": None, "refusal": "No."}
    if case == "n2":
        made["choices"].append(made["choices"][0] | {"index": 1})
    return made


def _response(case: str) -> dict[str, Any]:
    if case == "tools":
        return replies.response(replies.CALL)
    if case == "refusal":
        return replies.response(replies.output_message(replies.REFUSAL))
    return replies.response(replies.REASONING, ADVICE if case == "schema" else TEXT)


def _message(case: str) -> dict[str, Any]:
    if case == "tools":
        return replies.message(replies.tool_use(**json.loads(ARGUMENTS)), stop_reason="tool_use")
    if case == "refusal":
        return replies.message("No.", stop_reason="refusal")
    return replies.message(ADVICE if case == "schema" else TEXT)


REPLIES = {
    "chat/completions": _chat,
    "responses": _response,
    "messages": _message,
    "completions": lambda case: replies.text_completion(*[TEXT] * (2 if case == "n2" else 1)),
    "embeddings": lambda case: replies.embedding(0.5, -1.0),
}


def _chunks(whole: dict[str, Any]) -> Response:
    """The chunks of a chat completion or of a legacy one, as OpenAI streams them."""
    head = {k: v for k, v in whole.items() if k not in {"choices", "usage", "object"}}
    head |= {"object": whole["object"].replace("chat.completion", "chat.completion.chunk")}
    found = []
    for choice in whole["choices"]:
        at = {"index": choice["index"], "logprobs": None, "finish_reason": None}
        if "text" in choice:
            deltas: list[dict[str, Any]] = [{"text": choice["text"]}]
            ended: dict[str, Any] = {"text": ""}
        else:
            said = {k: v for k, v in choice["message"].items() if k not in {"role", "tool_calls"} and v is not None}
            calls = [{"index": i, **call} for i, call in enumerate(choice["message"].get("tool_calls") or [])]
            more = {"tool_calls": calls} if calls else {}
            deltas = [{"delta": {"role": "assistant", "content": None}}, {"delta": said | more}]
            ended = {"delta": {}}
        found += [head | {"choices": [at | delta]} for delta in deltas]
        found.append(head | {"choices": [at | ended | {"finish_reason": choice["finish_reason"]}]})
    return sse(*found)


EVENTS: dict[str, Callable[[dict[str, Any]], Response]] = {
    "chat/completions": _chunks,
    "responses": lambda whole: sse(*replies.named(*replies.response_stream(whole)), done=False),
    "messages": lambda whole: sse(*replies.named(*replies.message_stream(whole)), done=False),
    "completions": _chunks,
}


def run(command: Sequence[object], seconds: float = 180) -> str:
    """A client's output. Raises CalledProcessError with what it said."""
    found = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=seconds, check=False)
    if found.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{found.stdout}\n{found.stderr}")
    return found.stdout


def cells(client: str, output: str, upstream: CaseUpstream) -> list[dict[str, Any]]:
    """A client's cells; one of case `disconnect` holds only if the upstream saw the call end."""
    found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    until = time.monotonic() + 5
    wanted = sum(c["ok"] for c in found if c["case"] == "disconnect")
    while time.monotonic() < until and sum(tag.startswith(client) for tag in upstream.gone) < wanted:
        time.sleep(0.05)
    left = sum(tag.startswith(client) for tag in upstream.gone)
    for cell in found:
        if cell["case"] == "disconnect" and cell["ok"] and left < wanted:
            cell |= {"ok": False, "failure": f"only {left} of {wanted} upstream calls ended with their clients"}
    return [{"client": client} | cell for cell in found]


@contextmanager
def product(policy: str, upstream: CaseUpstream) -> Iterator[Served]:
    """The product with an instant fake evaluator."""
    real = anchors_evaluator.default_evaluator
    anchors_evaluator.default_evaluator = lambda *_: Instant()  # type: ignore[assignment,return-value]
    try:
        with tempfile.TemporaryDirectory() as folder, served(Path(folder), policy, upstream) as found:
            yield found
    finally:
        anchors_evaluator.default_evaluator = real


def live_cells(rows: list[dict[str, Any]], mode: str, upstream: CaseUpstream) -> list[dict[str, Any]]:
    """The cells of one stream mode: those of wires that stream themselves, and only if they came as the mode says."""
    made = [row | {"delivery": f"stream: {mode}"} for row in rows if row["row"] in EVENTS]
    for cell in made:
        wanted = cell["row"] == "completions" or mode == "monitor" or cell["case"] not in HELD
        if cell["ok"] and ((cell["client"], cell["row"], cell["case"]) in upstream.live) != wanted:
            cell |= {"ok": False, "failure": f"the upstream was {'not ' if wanted else ''}asked for a stream"}
    return made


def python_cells(found: Served, upstream: CaseUpstream, deliveries: str, *cases: str) -> list[dict[str, Any]]:
    """The cells of the official Python clients, of all cases or some."""
    made: list[dict[str, Any]] = []
    for client, module in PYTHON_CLIENTS.items():
        made += cells(client, run([sys.executable, "-m", module, found.url, DEMO_KEY, deliveries, *cases]), upstream)
    return made


def install_node(folder: Path) -> None:
    """Install the official Node client in the folder."""
    run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, f"openai@{NODE_OPENAI}"], 300)


def node_cells(found: Served, upstream: CaseUpstream, deliveries: str, folder: Path) -> list[dict[str, Any]]:
    """The cells of the official Node client, which is installed in the folder."""
    shared = {"cases": CASES, "arguments": ARGUMENTS, "text": TEXT, "advice": ADVICE, "pixel": PIXEL}
    shared |= {"schema": SCHEMA, "parameters": PARAMETERS, "deliveries": deliveries.split(",")}
    script = Path(__file__).parent / "clients" / "openai_node.mjs"
    output = run(["node", script, found.url, DEMO_KEY, folder, json.dumps(shared)])
    return cells("openai Node", output, upstream)


def environment(folder: Path, package: str) -> Path:
    """A new environment with that package; its folder of commands."""
    place = folder / package.partition("=")[0]
    venv.create(place, with_pip=True)
    run([place / "bin" / "python", "-m", "pip", "install", "--quiet", package], 600)
    return place / "bin"


def generated(found: Served, folder: Path) -> tuple[bool, int]:
    """Whether requests made from the OpenAPI document get what it says, and how many there were."""
    commands = environment(folder, f"schemathesis=={SCHEMATHESIS}")
    document = httpx.get(f"{found.url}/openapi.json").json()
    document["components"]["schemas"]["Name"] = {"enum": ["m", "chat-only"]}  # or most requests end at an unknown model
    (folder / "openapi.json").write_text(json.dumps(document))
    auth = f"Authorization: Bearer {DEMO_KEY}"
    options = ["--checks", "all", "--max-examples", "100", "--seed", "1", "--suppress-health-check", "all"]
    command = [
        commands / "schemathesis",
        "run",
        folder / "openapi.json",
        "--url",
        found.url,
        "--header",
        auth,
        *options,
    ]
    output = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=600, check=False, cwd=folder
    )
    number = re.search(r"(\d+) generated", output.stdout)
    if output.returncode:
        print(output.stdout)
    return output.returncode == 0, int(number[1]) if number else 0


def smoke(found: Served, folder: Path) -> dict[str, bool]:
    """Whether other clients get the answer, whole and as a stream."""
    python = environment(folder, f"langchain-openai=={LANGCHAIN}") / "python"
    script = Path(__file__).parent / "clients" / "smoke.py"
    auth, kind = f"Authorization: Bearer {DEMO_KEY}", "Content-Type: application/json"
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "case:text"}]})
    curl = run(["curl", "-sS", f"{found.url}/v1/chat/completions", "-H", auth, "-H", kind, "-d", body])
    return {
        f"LangChain (`langchain-openai` {LANGCHAIN})": run([python, script, "langchain", found.url, DEMO_KEY])
        == f"{TEXT}\n{TEXT}\n",
        f"litellm's SDK ({version('litellm')})": run([sys.executable, script, "litellm", found.url, DEMO_KEY])
        == f"{TEXT}\n{TEXT}\n",
        "curl": json.loads(curl)["choices"][0]["message"]["content"] == TEXT,
    }


def bytes_kept() -> dict[str, bool]:
    """Whether, in mode off, the body that a client gets is the upstream's but for the model's name."""
    kept = {}
    upstream = CaseUpstream()
    with product("tenant: acme\nmode: off\n", upstream) as found:
        for path, reply in REPLIES.items():
            key = {"responses": "input", "embeddings": "input", "completions": "prompt"}.get(path, "messages")
            asked = {key: [{"role": "user", "content": "hi"}] if key == "messages" else "hi"}
            headers = {"authorization": f"Bearer {DEMO_KEY}"}
            response = httpx.post(f"{found.url}/v1/{path}", json={"model": "m"} | asked, headers=headers)
            ours, raw = response.content, JSONResponse(reply("text")).body
            name = raw if path == "embeddings" else raw.replace(b'"served-model"', b'"m"')
            kept[path] = ours == name and response.headers["x-valueflow-outcome"] == "off"
    return kept


def table(rows: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """The matrix as Markdown, with why cells do not apply."""
    notes: list[str] = []
    lines = [
        f"| endpoint | client | delivery | {' | '.join(COLUMNS.values())} |",
        f"|{'---|' * (3 + len(COLUMNS))}",
    ]
    for row, client, delivery in dict.fromkeys((r["row"], r["client"], r["delivery"]) for r in rows):
        marks = []
        mine = {r["case"]: r for r in rows if (r["row"], r["client"], r["delivery"]) == (row, client, delivery)}
        for case in COLUMNS:
            cell = mine.get(case, {"ok": False, "why": "the API only lists"})
            if cell["why"] and cell["why"] not in notes:
                notes.append(cell["why"])
            marks.append("yes" if cell["ok"] else f"[{notes.index(cell['why']) + 1}]" if cell["why"] else "**no**")
        path, comma, kind = row.partition(",")
        lines.append(f"| `/v1/{path}`{comma}{kind} | {client} | {delivery} | {' | '.join(marks)} |")
    return "\n".join(lines), notes


def document(rows: list[dict[str, Any]], others: dict[str, bool], kept: dict[str, bool], requests: int) -> str:
    """`docs/compatibility.md`."""
    matrix, notes = table(sorted(rows, key=lambda r: (list(ROWS).index(r["row"]), r["client"], r["delivery"])))
    numbered = "\n".join(f"{i}. Does not apply: {why}." for i, why in enumerate(notes, start=1))
    python = f"`openai` {version('openai')} and `anthropic` {version('anthropic')} for Python"
    clients = f"{python}, `openai` {NODE_OPENAI} for Node"
    smokes = "\n".join(f"| {name} | {'yes' if ok else '**no**'} |" for name, ok in others.items())
    same = "\n".join(f"| `/v1/{path}` | {'yes' if ok else '**no**'} |" for path, ok in kept.items())
    return f"""# Compatibility

Generated by `make compatibility`; do not edit. Clients: {clients}.
Each cell is a request to the product on a real socket, before a scripted upstream on another: mode `enforce`, answers
accepted. *Disconnect* means that the client left before the answer, and that the upstream saw its call end.

{matrix}

{numbered}

**Translated**: the model's upstream speaks chat completions alone, and litellm's translators stand between. They keep
texts, images, function tools, schemas, limits and refusals. Reasoning is dropped; built-in tools, state and what
chat completions have no word for are refused with status 400. The same API at the upstream keeps every byte.

`/v1/completions` has no system text, so answers are scored and never steered (outcome `monitored`). `/v1/embeddings`
and other paths that the operator lists for a model pass through after the key check (outcome `off`), as JSON alone.

**Streams.** `stream` is replayed after the verdict (policy field `stream: buffer`). `stream: window` holds the first
words until they pass and then streams the upstream's own events, but for tools, schemas and n=2, which it buffers;
`stream: monitor` passes all straight through. A live cell holds only if the upstream was asked for a stream, a buffered
one only if it was not. Translated models are buffered in every mode; `/v1/completions` is never steered, so `window` is
`monitor` there.

## Other clients, one answer whole and one as a stream

| client | works |
|---|---|
{smokes}

## Mode off: the body is the upstream's, byte for byte

The model's name is put back to what the client asked for; embeddings are not touched at all.

| endpoint | same bytes |
|---|---|
{same}

## The OpenAPI document

`/openapi.json` says what the proxy itself reads and writes. schemathesis {SCHEMATHESIS} made {requests:,} requests from
it, odd and broken ones included: every answer was what the document says.
"""


ROWS = (
    "chat/completions", "responses", "responses, translated", "messages", "messages, translated", "completions",
    "embeddings", "models",
)  # fmt: skip


def main() -> int:
    """Run everything; about three minutes."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install_node(folder)
        for mode in ("window", "monitor"):
            upstream = CaseUpstream()
            with product(STREAMS[mode], upstream) as found:
                made = python_cells(found, upstream, "stream") + node_cells(found, upstream, "stream", folder)
            rows += live_cells(made, mode, upstream)
        upstream = CaseUpstream()
        with product(STREAMS["buffer"], upstream) as found:
            rows += python_cells(found, upstream, "json,stream") + node_cells(found, upstream, "json,stream", folder)
            others = smoke(found, folder)
            conforms, requests = generated(found, folder)
    kept = bytes_kept()
    OUT.write_text(document(rows, others, kept, requests if conforms else 0), "utf-8")
    failed = [row for row in rows if not row["ok"] and not row["why"]]
    for row in failed:
        print(f"{row['client']} {row['row']} {row['delivery']} {row['case']}:\n{row['failure']}")
    applied = [row for row in rows if not row["why"]]
    print(f"{len(applied) - len(failed)} of {len(applied)} cells hold; {OUT}")
    return 1 if failed or not conforms or not all(others.values()) or not all(kept.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
