"""Other gateways beside us in a bench: LiteLLM's proxy and Portkey's gateway, each in an environment of its own.

Both are installed under a temporary folder from their registries, pinned, and pass chat completions through to one
upstream with one worker: no database, no cache, no guardrails, no logs.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

LITELLM = "1.100.5"
"""As the project pins it; 1.82.7 and 1.82.8 were malicious, 1.107.0 is said to be."""
PORTKEY = "1.15.2"
HONO = "1.13.8"
"""The server below Portkey's gateway: with 1.19.19, which npm would choose, each of its streams is a 500."""


def install(folder: Path) -> None:
    """Both, into this folder; takes minutes. What is there already is kept."""
    if not (folder / "litellm" / "bin" / "litellm").exists():
        venv.create(folder / "litellm", with_pip=True)
        _run([folder / "litellm/bin/python", "-m", "pip", "install", "--quiet", f"litellm[proxy]=={LITELLM}"])
    if not (folder / "portkey" / "node_modules").exists():
        (folder / "portkey").mkdir(exist_ok=True)
        wanted = {"dependencies": {"@portkey-ai/gateway": PORTKEY}, "overrides": {"@hono/node-server": HONO}}
        (folder / "portkey" / "package.json").write_text(json.dumps({"private": True} | wanted))
        quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        _run(["npm", "install", "--prefix", folder / "portkey", *quiet])


@contextmanager
def litellm(folder: Path, port: int, upstream: int) -> Iterator[Mapping[str, str]]:
    """LiteLLM's proxy until the block ends; yields the headers that a client sends."""
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n  - model_name: m\n    litellm_params:\n      model: openai/canned\n"
        f"      api_base: http://127.0.0.1:{upstream}/v1\n      api_key: none\n"
        "litellm_settings: {telemetry: false, num_retries: 0}\n"
    )
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    command = [folder / "litellm/bin/litellm", "--config", config, "--port", port, "--host", "127.0.0.1"]
    with _server([*command, "--num_workers", 1], port, "/health/liveliness", quiet):
        yield {}


@contextmanager
def portkey(folder: Path, port: int, upstream: int) -> Iterator[Mapping[str, str]]:
    """Portkey's gateway until the block ends; yields the headers that a client sends."""
    script = folder / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    with _server(["node", script, f"--port={port}", "--headless"], port, "/", {"NODE_ENV": "production"}):
        host = f"http://127.0.0.1:{upstream}/v1"
        yield {"x-portkey-provider": "openai", "x-portkey-custom-host": host}


@contextmanager
def _server(command: Sequence[object], port: int, path: str, environment: Mapping[str, str]) -> Iterator[None]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("VALUEFLOW_")} | dict(environment)
    with subprocess.Popen(
        [str(part) for part in command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        try:
            until = time.monotonic() + 180
            while not _answers(f"http://127.0.0.1:{port}{path}"):
                if child.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{command[0]} did not start")
                time.sleep(0.5)
            yield
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _run(command: Sequence[object]) -> None:
    subprocess.run([str(part) for part in command], check=True, timeout=900)
