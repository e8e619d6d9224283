"""Cells of the `openai` Python client: python -m bench.clients.openai_python URL KEY json,stream [CASE ...]."""

import json
import sys
from typing import Any

import openai

from bench.clients.cells import ADVICE, ARGUMENTS, CASES, PARAMETERS, PIXEL, SCHEMA, TEXT, cell, question, raises

NAME = "openai Python"
IMAGE = f"data:image/png;base64,{PIXEL}"
FORMAT = {"type": "json_schema", "json_schema": {"name": "advice", "schema": SCHEMA, "strict": True}}
FUNCTION = {"name": "f", "parameters": PARAMETERS, "strict": False}


def chat(client: openai.OpenAI, case: str, delivery: str) -> Any:
    """`/v1/chat/completions`."""
    text = question(case, NAME, "chat", delivery)
    more: dict[str, Any] = {
        "tools": {"tools": [{"type": "function", "function": FUNCTION}]},
        "schema": {"response_format": FORMAT},
        "n2": {"n": 2},
        "disconnect": {"timeout": 0.4},
    }.get(case, {})
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    messages = [{"role": "user", "content": parts if case == "image" else text}]

    def ask() -> Any:
        if delivery == "json":
            return client.chat.completions.create(model="m", messages=messages, **more)
        with client.chat.completions.stream(model="m", messages=messages, **more) as stream:
            for _ in stream:
                pass
            return stream.get_final_completion()

    if case == "error":
        return raises(openai.BadRequestError, ask, "no such thing")
    if case == "disconnect":
        return raises(openai.APITimeoutError, ask)
    found = ask()
    message = found.choices[0].message
    if case == "tools":
        assert message.tool_calls[0].function.arguments == ARGUMENTS
        assert found.choices[0].finish_reason == "tool_calls"
    elif case == "refusal":
        assert message.refusal == "No."
    elif case == "schema":
        assert json.loads(message.content) == json.loads(ADVICE)
    else:
        assert [c.message.content for c in found.choices] == [TEXT] * (2 if case == "n2" else 1)
    return None


def responses(client: openai.OpenAI, model: str, case: str, delivery: str) -> Any:
    """`/v1/responses`."""
    if case == "n2":
        return "the API has no `n`"
    text = question(case, NAME, "responses", model, delivery)
    more: dict[str, Any] = {
        "tools": {"tools": [{"type": "function", **FUNCTION}]},
        "schema": {"text": {"format": {"type": "json_schema", "name": "advice", "schema": SCHEMA, "strict": True}}},
        "disconnect": {"timeout": 0.4},
    }.get(case, {})
    parts = [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": IMAGE, "detail": "auto"}]
    asked: Any = [{"role": "user", "content": parts}] if case == "image" else text

    def ask() -> Any:
        if delivery == "json":
            return client.responses.create(model=model, input=asked, **more)
        with client.responses.stream(model=model, input=asked, **more) as stream:
            for _ in stream:
                pass
            return stream.get_final_response()

    if case == "error":
        return raises(openai.BadRequestError, ask, "no such thing")
    if case == "disconnect":
        return raises(openai.APITimeoutError, ask)
    found = ask()
    if case == "tools":
        assert [i.arguments for i in found.output if i.type == "function_call"] == [ARGUMENTS]
    elif case == "refusal":
        assert found.output[-1].content[0].refusal == "No."
    else:
        assert found.output_text == (ADVICE if case == "schema" else TEXT)
    return None


def completions(client: openai.OpenAI, case: str, delivery: str) -> Any:
    """`/v1/completions`."""
    if case in {"tools", "schema", "image", "refusal"}:
        return "the API has text alone"
    more: dict[str, Any] = {"n2": {"n": 2}, "disconnect": {"timeout": 0.4}}.get(case, {})
    stream = delivery == "stream"

    def ask() -> list[str]:
        prompt = question(case, NAME, "completions", delivery)
        found: Any = client.completions.create(model="m", prompt=prompt, stream=stream, **more)
        if not stream:
            return [choice.text for choice in found.choices]
        texts = {0: ""}
        for chunk in found:
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
        return list(texts.values())

    if case == "error":
        return raises(openai.BadRequestError, ask, "no such thing")
    if case == "disconnect":
        return raises(openai.APITimeoutError, ask)
    assert ask() == [TEXT] * (2 if case == "n2" else 1)
    return None


def embeddings(client: openai.OpenAI, case: str) -> Any:
    """`/v1/embeddings`."""
    if case not in {"text", "error", "disconnect"}:
        return "the API embeds text alone"
    more: dict[str, Any] = {"timeout": 0.4} if case == "disconnect" else {}

    def ask() -> Any:
        text = question(case, NAME, "embeddings", "json")
        return client.embeddings.create(model="m", input=text, encoding_format="float", **more)

    if case == "error":
        return raises(openai.BadRequestError, ask, "no such thing")
    if case == "disconnect":
        return raises(openai.APITimeoutError, ask)
    assert ask().data[0].embedding == [0.5, -1.0]
    return None


def models(client: openai.OpenAI) -> None:
    """`/v1/models`."""
    assert client.models.list().data[0].id == "m"
    assert client.models.retrieve("m").id == "m"
    raises(openai.NotFoundError, lambda: client.models.retrieve("x"))


def main(url: str, key: str, deliveries: str, *cases: str) -> None:
    """Every cell, or those of some cases."""
    with openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0) as client:
        for case in cases or CASES:
            for delivery in deliveries.split(","):
                cell("chat/completions", delivery, case, lambda c=case, d=delivery: chat(client, c, d))
                for model, row in (("m", "responses"), ("chat-only", "responses, translated")):
                    work = lambda m=model, c=case, d=delivery: responses(client, m, c, d)  # noqa: E731
                    cell(row, delivery, case, work)
                cell("completions", delivery, case, lambda c=case, d=delivery: completions(client, c, d))
            if "json" in deliveries:
                cell("embeddings", "json", case, lambda c=case: embeddings(client, c))
        if "json" in deliveries:
            cell("models", "json", "text", lambda: models(client))


if __name__ == "__main__":
    main(*sys.argv[1:])
