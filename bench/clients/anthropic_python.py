"""Cells of the `anthropic` Python client: python -m bench.clients.anthropic_python URL KEY json,stream [CASE ...]."""

import json
import sys
from typing import Any

import anthropic

from bench.clients.cells import ADVICE, ARGUMENTS, CASES, PARAMETERS, PIXEL, SCHEMA, TEXT, cell, question, raises

NAME = "anthropic Python"


def messages(client: anthropic.Anthropic, model: str, case: str, delivery: str) -> Any:
    """`/v1/messages`."""
    if case == "n2":
        return "the API has no `n`"
    text = question(case, NAME, model, delivery)
    more: dict[str, Any] = {
        "tools": {"tools": [{"name": "f", "input_schema": PARAMETERS}]},
        "schema": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        "disconnect": {"timeout": 0.4},
    }.get(case, {})
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    parts = [{"type": "text", "text": text}, {"type": "image", "source": source}]
    turns = [{"role": "user", "content": parts if case == "image" else text}]

    def ask() -> Any:
        if delivery == "json":
            return client.messages.create(model=model, max_tokens=50, messages=turns, **more)
        with client.messages.stream(model=model, max_tokens=50, messages=turns, **more) as stream:
            return stream.get_final_message()

    if case == "error":
        return raises(anthropic.BadRequestError, ask, "no such thing")
    if case == "disconnect":
        return raises(anthropic.APITimeoutError, ask)
    found = ask()
    if case == "tools":
        assert [b.input for b in found.content if b.type == "tool_use"] == [json.loads(ARGUMENTS)]
        assert found.stop_reason == "tool_use"
    elif case == "refusal":
        assert (found.stop_reason, found.content[0].text) == ("refusal", "No.")
    else:
        assert found.content[0].text == (ADVICE if case == "schema" else TEXT)
    return None


def main(url: str, key: str, deliveries: str, *cases: str) -> None:
    """Every cell, or those of some cases."""
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as client:
        for case in cases or CASES:
            for delivery in deliveries.split(","):
                for model, row in (("m", "messages"), ("chat-only", "messages, translated")):
                    cell(row, delivery, case, lambda m=model, c=case, d=delivery: messages(client, m, c, d))


if __name__ == "__main__":
    main(*sys.argv[1:])
