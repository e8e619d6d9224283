"""What the proxy itself costs: latency and throughput before a canned upstream, against that upstream called directly.

One worker, closed loop, three rounds whose median is reported: pass-through (mode `off`) of JSON and of a stream of 50
chunks at 1, 8 and 32 connections beside other gateways, round by round in turn, with the ratio of requests/s to ours;
then what steering adds; then the p99 of `off` traffic while scoring is saturated by `monitor` traffic. Generator,
upstream and proxies share the machine's cores. The other gateways are kept in VALUEFLOW_BENCH_PEERS, where that is set.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp

from bench.peers import LITELLM, PORTKEY, install, litellm, portkey
from bench.processes import CHUNKS, key
from bench.report import write

UPSTREAM, PRODUCT, LITELLM_PORT, PORTKEY_PORT = 18090, 18091, 18092, 18093
OURS = "valueflow, mode off"
SECONDS = 4.0
ROUNDS = 3
BODY = json.dumps(
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": "You are the assistant of a hospital's staff app. Be brief."},
            {"role": "user", "content": "My colleague is ill again and I would have to take her shift. Should I?"},
        ],
        "temperature": 0.7,
    }
).encode()


STREAM_BODY = json.dumps(json.loads(BODY) | {"stream": True}).encode()


@contextmanager
def kept_folder() -> Iterator[Path]:
    """VALUEFLOW_BENCH_PEERS, else a folder that goes with the bench."""
    if kept := os.environ.get("VALUEFLOW_BENCH_PEERS"):
        yield Path(kept)
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)


@contextmanager
def process(*arguments: object) -> Iterator[None]:
    """A server of bench.processes, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.processes", *map(str, arguments)], stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            if arguments[0] == "product":
                assert child.stdout is not None
                assert child.stdout.readline().strip() == "ready"
            yield
        finally:
            child.terminate()
            child.wait(30)


async def load(
    port: int,
    tenant: str,
    connections: int,
    seconds: float,
    more: Mapping[str, str] | None = None,
    stream: bool = False,
) -> list[float]:
    """Latencies in seconds of a closed loop, to the last byte; every answer must be a 200, and whole."""
    found: list[float] = []
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    headers = {"authorization": f"Bearer {key(tenant)}", "content-type": "application/json", **(more or {})}
    body = STREAM_BODY if stream else BODY
    until = time.perf_counter() + seconds

    async def one(session: aiohttp.ClientSession) -> None:
        while (begun := time.perf_counter()) < until:
            async with session.post(url, data=body, headers=headers) as response:
                answer = await response.read()
                assert response.status == 200, response.status
                assert not stream or answer.count(b"Take the shift") >= CHUNKS - 2
            found.append(time.perf_counter() - begun)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
        await asyncio.gather(*(one(session) for _ in range(connections)))
    return found


def figures(name: str, connections: int, latencies: list[float], seconds: float) -> dict[str, Any]:
    cuts = quantiles(latencies, n=100)
    return {
        "what": name,
        "connections": connections,
        "requests/s": round(len(latencies) / seconds),
        "p50 ms": 1000 * cuts[49],
        "p99 ms": 1000 * cuts[98],
    }


async def measure(name: str, port: int, tenant: str, connections: int) -> dict[str, Any]:
    await load(port, tenant, connections, 1.0)
    rounds = [
        figures(name, connections, await load(port, tenant, connections, SECONDS), SECONDS) for _ in range(ROUNDS)
    ]
    middle = {k: median(r[k] for r in rounds) for k in ("requests/s", "p50 ms", "p99 ms")}
    return rounds[0] | middle


async def saturated() -> list[dict[str, Any]]:
    """`off` traffic at one connection alone, and while 32 connections keep the scorer busy."""
    await load(PRODUCT, "monitor", 4, 2.0)
    quiet = figures("off alone, real scorer loaded", 1, await load(PRODUCT, "off", 1, SECONDS), SECONDS)
    busy = asyncio.create_task(load(PRODUCT, "monitor", 32, SECONDS + 2))
    await asyncio.sleep(1)
    beside = figures("off while scoring is saturated", 1, await load(PRODUCT, "off", 1, SECONDS), SECONDS)
    scored = figures("monitor (scored), saturated", 32, await busy, SECONDS + 2)
    return [quiet, beside, scored]


async def beside(servers: Mapping[str, tuple[int, Mapping[str, str]]]) -> list[dict[str, Any]]:
    """Pass-through of every server, round by round in turn, so that the machine's other work falls on all alike."""
    rows = []
    for stream in (False, True):
        for connections in (1, 8, 32):
            rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
            for _ in range(ROUNDS):
                for name, (port, headers) in servers.items():
                    await load(port, "off", connections, 0.5, headers, stream)
                    latencies = await load(port, "off", connections, SECONDS, headers, stream)
                    rounds[name].append(figures(name, connections, latencies, SECONDS))
            found = {
                name: {k: median(r[k] for r in many) for k in ("requests/s", "p50 ms", "p99 ms")}
                for name, many in rounds.items()
            }
            ours = found[OURS]["requests/s"]
            what = f"stream of {CHUNKS} chunks" if stream else "JSON"
            rows += [
                {
                    "what": f"{what}: {name}",
                    "connections": connections,
                    **row,
                    "ours/theirs": ours / row["requests/s"],
                }
                for name, row in found.items()
            ]
    return rows


def main() -> None:
    """Run everything; about ten minutes, and some more to install the other gateways."""
    rows = []
    with process("upstream", UPSTREAM), kept_folder() as folder:
        install(folder)
        time.sleep(3)
        with process("product", PRODUCT, UPSTREAM, "instant"):
            with (
                litellm(folder, LITELLM_PORT, UPSTREAM) as for_litellm,
                portkey(folder, PORTKEY_PORT, UPSTREAM) as for_portkey,
            ):
                servers: dict[str, tuple[int, Mapping[str, str]]] = {
                    "upstream directly": (UPSTREAM, {}),
                    OURS: (PRODUCT, {}),
                    f"LiteLLM proxy {LITELLM}": (LITELLM_PORT, for_litellm),
                    f"Portkey gateway {PORTKEY}": (PORTKEY_PORT, for_portkey),
                }
                passed = asyncio.run(beside(servers))
                write("gateways", passed, "pass-through, closed loop, one worker each, round by round in turn")
            for connections in (1, 32):
                direct = asyncio.run(measure("upstream directly", UPSTREAM, "off", connections))
                rows.append(direct)
                for name, tenant in (("off", "off"), ("steer, scoring instant", "steer")):
                    found = asyncio.run(measure(f"proxy: {name}", PRODUCT, tenant, connections))
                    rows.append(found | {"added p50 ms": found["p50 ms"] - direct["p50 ms"]})
        with process("product", PRODUCT, UPSTREAM, "real"):
            rows += asyncio.run(saturated())
    write("overhead", rows, "closed loop, one worker; `instant` is a fake scorer that leaves the proxy's own cost")


if __name__ == "__main__":
    main()
