"""A real request with the demo tenant, attempt by attempt: the transcript of the README.

    make transcript

Starts the product with its default settings on free ports and asks the in-process model with the openai client.
"""

import asyncio
import json
import sys
import tempfile
import textwrap

import openai

from proxy.serve import serving
from proxy.settings import DEMO_KEY, Settings

QUESTION = "My colleague is ill again and I would have to take her shift. Should I?"


async def main(seed: int) -> None:
    """Ask once and print what happened."""
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite+aiosqlite:///{folder}/t.db"
        settings = Settings(_env_file=None, port=0, admin_port=0, database=database, log_level="warning")  # type: ignore[call-arg]
        async with serving(settings) as running:
            base_url = f"http://127.0.0.1:{running.port}/v1"
            async with openai.AsyncOpenAI(base_url=base_url, api_key=DEMO_KEY, max_retries=0) as client:
                raw = await client.chat.completions.with_raw_response.create(
                    model="local/smollm2",
                    messages=[{"role": "user", "content": QUESTION}],
                    seed=seed,
                    extra_headers={"x-valueflow-debug": "1"},
                )
    answer = raw.parse()
    print(f"user: {QUESTION}\n")
    for name, value in sorted(raw.headers.items()):
        if name.startswith("x-valueflow"):
            print(f"{name}: {value}")
    report = answer.model_extra["valueflow"]
    for attempt in report["attempts"]:
        print(
            f"\nattempt {attempt['step']}: {attempt['verdict']}, {attempt['tokens']} tokens, {attempt['seconds']:.1f} s"
        )
        for name, value in attempt["values"].items():
            low, high = value["range"]
            wanted = f"at least {low:+g}" if high is None else f"at most {high:+g}"
            print(
                f"  {name:<16} dose {attempt['doses'].get(name, 0):+.1f}  intensity {value['intensity']:+.1f}"
                f" ± {value['sd']:.1f}  relevance {value['relevance']:.2f}  wanted {wanted}  P {value['p']:.2f}"
            )
    print(f"\ntokens: {json.dumps(report['tokens'])}\n\nassistant:")
    print(textwrap.fill(answer.choices[0].message.content, 100))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
