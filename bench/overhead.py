"""What the proxy itself costs: latency and throughput before a canned upstream, against that upstream called directly.

One worker, closed loop at 1 and 32 connections, three rounds whose median is reported; then the p99 of `off` traffic
while scoring is saturated by `monitor` traffic. Generator, upstream and proxy share the machine's cores.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any

import aiohttp

from bench.processes import key
from bench.report import write

UPSTREAM, PRODUCT = 18090, 18091
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


async def load(port: int, tenant: str, connections: int, seconds: float) -> list[float]:
    """Latencies in seconds of a closed loop; every answer must be a 200."""
    found: list[float] = []
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    headers = {"authorization": f"Bearer {key(tenant)}", "content-type": "application/json"}
    until = time.perf_counter() + seconds

    async def one(session: aiohttp.ClientSession) -> None:
        while (begun := time.perf_counter()) < until:
            async with session.post(url, data=BODY, headers=headers) as response:
                await response.read()
                assert response.status == 200, response.status
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


def main() -> None:
    """Run everything; about two minutes."""
    rows = []
    with process("upstream", UPSTREAM):
        time.sleep(3)
        with process("product", PRODUCT, UPSTREAM, "instant"):
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
