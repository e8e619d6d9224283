"""The processes of a bench: a canned upstream, and the product before it, each a real server of its own.

    python -m bench.processes upstream PORT
    python -m bench.processes product PORT UPSTREAM_PORT {instant|real}

`instant` puts a fake evaluator in the place of the real one, which answers at once: it leaves the proxy's own cost.
"""

import json
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from anchors import evaluator as anchors_evaluator
from anchors.evaluator import Text
from anchors.score import Score, Unscored
from proxy.serve import serve
from proxy.settings import Settings
from proxy.store.database import Database
from proxy.store.keys import Keys

ANSWER = (
    "Take the shift if you can, and tell her plainly what it costs you. She would do the same, and a ward runs on"
    " such favours. Ask for the next free weekend in return, put it in writing with the manager, and sleep before it."
)
BODY = json.dumps(
    {
        "id": "chatcmpl-canned",
        "object": "chat.completion",
        "created": 1,
        "model": "canned",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 60, "total_tokens": 100},
    }
).encode()
TENANTS = ("off", "steer", "monitor")


CHUNKS = 50


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    head = {"id": "chatcmpl-canned", "object": "chat.completion.chunk", "created": 1, "model": "canned"}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps(head | {"choices": [choice]}).encode() + b"\n\n"


STREAM = [
    _chunk({"role": "assistant", "content": ""}),
    *(_chunk({"content": "Take the shift if "}) for _ in range(CHUNKS - 2)),
    _chunk({}, "stop"),
]


async def canned(scope: Any, receive: Any, send: Any) -> None:
    """An upstream that reads a request and answers the same bytes, or a stream of CHUNKS chunks, each by itself."""
    request = b""
    while True:
        message = await receive()
        request += message.get("body", b"")
        if not message.get("more_body"):
            break
    if b'"stream": true' in request or b'"stream":true' in request:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for chunk in STREAM:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


class Instant:
    """A fake evaluator: every score is there at once and says nothing."""

    version = "instant"
    values = ("svt/benevolence", "svt/power")
    typical_sd = {"svt/benevolence": 1.0, "svt/power": 1.0}  # noqa: RUF012 - never changed
    gate = None

    def evaluate(self, texts: Sequence[Text], values: Sequence[str]) -> Sequence[Mapping[str, Score | Unscored]]:
        return [{v: Score(5.0, 1.0, 3.0, 7.0, 1.0, 5.0) for v in values} for _ in texts]


def key(tenant: str) -> str:
    """The bench's key of a tenant."""
    return f"vf-bench-{tenant}"


def product(port: int, upstream: int, instant: bool) -> None:
    """Serve the product with one tenant for each mode."""
    if instant:
        anchors_evaluator.default_evaluator = lambda *_: Instant()  # type: ignore[assignment,return-value]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "policies").mkdir()
        for tenant in TENANTS:
            targets = "" if tenant == "off" else "targets: {benevolence: {min: 4, hard: true}, power: {max: 2}}\n"
            (folder / "policies" / f"{tenant}.yaml").write_text(f"tenant: {tenant}\nmode: {tenant}\n{targets}")
        models = f"models:\n  m: {{kind: openai, base_url: 'http://127.0.0.1:{upstream}/v1', model: canned}}\n"
        (folder / "models.yaml").write_text(models)
        settings = Settings(
            _env_file=None, port=port, admin_port=0, policies=folder / "policies", models=folder / "models.yaml",
            database=f"sqlite+aiosqlite:///{folder}/bench.db", demo=False, log_level="warning", key_seconds=3600,
        )  # type: ignore[call-arg]  # fmt: skip

        async def main() -> None:
            database = Database(settings.database)
            await database.open()
            for tenant in TENANTS:
                await Keys(database).add(tenant, key(tenant))
            await database.close()
            await serve(settings, lambda *_: print("ready", flush=True))

        uvloop.run(main())


if __name__ == "__main__":
    logging.basicConfig(level="WARNING")
    if sys.argv[1] == "upstream":
        uvicorn.run(canned, port=int(sys.argv[2]), log_level="warning", access_log=False)
    else:
        product(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "instant")
