"""One request each of other clients: python smoke.py {langchain|litellm} URL KEY, in an environment that has it."""

import os
import sys

QUESTION = "Should I help her? case:text tag:smoke"


def langchain(url: str, key: str) -> list[str]:
    """LangChain's `ChatOpenAI`, whole and as a stream."""
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="m", base_url=url + "/v1", api_key=key, max_retries=0)
    return [str(model.invoke(QUESTION).content), "".join(str(chunk.content) for chunk in model.stream(QUESTION))]


def litellm(url: str, key: str) -> list[str]:
    """litellm's SDK with us as its OpenAI, whole and as a stream."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from litellm import completion

    ask = {"model": "openai/m", "api_base": url + "/v1", "api_key": key, "num_retries": 0}
    messages = [{"role": "user", "content": QUESTION}]
    whole = completion(messages=messages, **ask).choices[0].message.content
    chunks = completion(messages=messages, stream=True, **ask)
    return [whole, "".join(chunk.choices[0].delta.content or "" for chunk in chunks)]


if __name__ == "__main__":
    for text in {"langchain": langchain, "litellm": litellm}[sys.argv[1]](*sys.argv[2:]):
        print(text)
