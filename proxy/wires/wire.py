"""What the loop and the endpoints see of any API that clients speak: a lens over its requests, one over its replies.

Knows no API; each has a file of its own beside this one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from policies.instruct import Instruction
from policies.policy import Mode
from proxy.errors import ApiError
from proxy.wires.seal import Seal
from proxy.wires.sse import Event

Streamed = Literal["no", "as_asked", "counted"]
"""Whether an upstream shall stream: not, as the client asked for it, or with its usage at the end in any case."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice of a reply: its `text`, and what else there is besides text. Reasoning is no part of it."""

    text: str
    tool_calls: bool = False
    refusal: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """How a client sees a reply: the `model` by the client's name, and what replaces or joins the upstream's members.

    `extra` becomes the member `valueflow`; `usage`, where given, stands in place of the upstream's; `include_usage`
    says whether a stream has it at all; `seal` closes the ids of what the upstream keeps.
    """

    model: str
    extra: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] | None = None
    include_usage: bool = True
    seal: Seal | None = None
    instructions: str | None = None
    """The client's own, where a reply repeats them: what steers is not for the client."""


class WireRequest(Protocol):
    """A client's request, its bytes kept."""

    @property
    def model(self) -> str:
        """The model by the client's name."""
        ...

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        ...

    @property
    def include_usage(self) -> bool:
        """Whether the client wants the usage in its stream."""
        ...

    def isolate(self, seal: Seal | None) -> None:
        """Call it once, before any `body`: without a seal nothing that the upstream keeps may be named.

        Raises ApiError 400; with a seal, ids are opened, and those that the tenant was not given are 404.
        """
        ...

    @property
    def structured(self) -> bool:
        """Whether the answer shall be JSON."""
        ...

    @property
    def windowable(self) -> bool:
        """Whether the beginning of the one answer's text can be held back, judged alone and thrown away."""
        ...

    @property
    def question(self) -> str:
        """The text of the last user turn, empty when there is none."""
        ...

    @property
    def first_texts(self) -> str:
        """First system and first user text: what stays the same as a conversation grows."""
        ...

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        ...

    def body(
        self,
        model: str,
        instruction: Instruction | None = None,
        choices: int | None = None,
        streamed: Streamed = "no",
    ) -> bytes:
        """The request for an upstream, always made from the original bytes, with the instruction added.

        Only `model`, the system text, the tail and, unless streamed `as_asked`, the stream members differ, and how many
        `choices` are asked for where a wire has several and fewer are wanted.
        """
        ...


class WireReply(Protocol):
    """An upstream's reply, its bytes kept."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The upstream's headers that may reach the client."""
        ...

    @property
    def answers(self) -> Sequence[Answer]:
        """One for each choice, in order."""
        ...

    @property
    def usage(self) -> Mapping[str, Any]:
        """The upstream's own usage object, empty where it gives none."""
        ...

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens as the upstream counts them; 0 where it does not say."""
        ...

    def body(self, shown: Shown) -> bytes:
        """The reply for the client: the upstream's bytes but for what `shown` names."""
        ...

    def replay(self, shown: Shown) -> Iterator[bytes]:
        """The reply as the events of a well-formed stream."""
        ...


class WireStream(Protocol):
    """One streamed reply, gathered event by event: `read` each, in order; the rest may be asked at any time."""

    ended: bool
    """Whether the event came that says that nothing follows."""

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens so far, as far as the upstream says; 0 where it does not."""
        ...

    @property
    def answers(self) -> Sequence[Answer]:
        """What is there so far, one for each choice."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the reply came to its end."""
        ...

    def read(self, event: Event, shown: Shown) -> bytes:
        """What the client gets for an event at once, maybe nothing: the stream's end waits for `end`.

        Raises ApiError 502 on an upstream's error, and on what is no event of this API.
        """
        ...

    def end(self, shown: Shown) -> bytes:
        """The stream's end, which was kept back, with `shown.extra`, the `valueflow` object, where there is one."""
        ...

    def broken(self, error: ApiError) -> bytes:
        """An error in place of what would follow, as the API's SDKs raise it."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """One API: its `path` below `/v1` and below an upstream's base URL, and its two lenses.

    `request` raises ApiError 400 naming the parameter, `reply` 502. `most` is the most that a policy's mode can do on
    this wire: one without system text cannot be steered. `turns` is the member that lists the conversation, and
    `headers` of the client's go on to the upstream. `merge` puts a later reply's choices at some places of an earlier
    one, where a reply can have several. `stream` makes a lens over a streamed reply, where the API has streams.
    """

    path: str
    request: Callable[[bytes], WireRequest]
    reply: Callable[[bytes, Mapping[str, str]], WireReply]
    most: Mode = "enforce"
    turns: str = "messages"
    headers: tuple[str, ...] = ()
    merge: Callable[[Any, Sequence[int], Any], WireReply] | None = None
    stream: Callable[[], WireStream] | None = None
