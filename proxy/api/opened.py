"""One open answer of an upstream, read event by event through its wire's lens.

Knows streams and lenses; nothing of policies, scores or clients.
"""

from collections.abc import AsyncGenerator

from proxy.errors import ApiError
from proxy.upstreams.upstream import Stream
from proxy.wires.parts import guessed_tokens
from proxy.wires.sse import Event, events
from proxy.wires.wire import Shown, Wire, WireStream


class Open:
    """One open answer of an upstream: what came is held, and what comes follows when it is let go."""

    def __init__(self, stream: Stream, wire: Wire, shown: Shown) -> None:
        assert wire.stream is not None
        self.headers = stream.headers
        self.lens: WireStream = wire.stream()
        self.ended = False
        self.billed = 0
        """How much of `tokens` is counted already."""
        self._stream = stream
        self._events = events(stream)
        self._shown = shown
        self._held: list[bytes] = []

    @property
    def text(self) -> str:
        """The first choice's text so far."""
        answers = self.lens.answers
        return answers[0].text if answers else ""

    @property
    def tokens(self) -> int:
        """As the upstream says, else guessed."""
        return self.lens.tokens or guessed_tokens(self.lens.answers)

    async def hold(self, words: int) -> None:
        """Read until there are so many words, or to the end. Raises ApiError."""
        while not self.ended and len(self.text.split()) <= words:
            part = await self._next()
            if part:
                self._held.append(part)

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """What was held, then what comes, up to what the lens keeps back for its end. Raises ApiError."""
        for part in self._held:
            yield part
        self._held.clear()
        while not self.ended:
            part = await self._next()
            if part:
                yield part

    async def _next(self) -> bytes:
        event: Event | None = await anext(self._events, None)
        if event is None:
            if not self.lens.complete:
                raise ApiError.upstream("The upstream's stream broke off.")
            self.ended = True
            return b""
        part = self.lens.read(event, self._shown)
        self.ended = self.lens.ended
        return part

    async def aclose(self) -> None:
        """Stop the work behind it."""
        try:
            await self._events.aclose()
        finally:
            await self._stream.aclose()
