"""One open answer of an upstream, read event by event through its wire's lens.

Knows streams and lenses; nothing of policies, scores or clients.
"""

from collections import deque
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
        self._unread: deque[Event] = deque()

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
            if await self._came():
                self._held.append(self._read())

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """What was held, then what comes, up to what the lens keeps back for its end. Raises ApiError."""
        if self._held:
            yield b"".join(self._held)
            self._held.clear()
        while not self.ended and await self._came():
            passed, broken = [], None
            while self._unread and not self.ended:
                try:
                    passed.append(self._read())
                except ApiError as error:  # what came before it goes out before it
                    broken = error
                    break
            if part := b"".join(passed):  # one write for what came in one piece
                yield part
            if broken is not None:
                raise broken

    async def _came(self) -> bool:
        """Wait for an event; False at the end. Raises ApiError where the stream ends before the answer does."""
        if not self._unread:
            batch: list[Event] | None = await anext(self._events, None)
            self._unread.extend(batch or ())
        if not self._unread:
            if not self.lens.complete:
                raise ApiError.upstream("The upstream's stream broke off.")
            self.ended = True
        return not self.ended

    def _read(self) -> bytes:
        part = self.lens.read(self._unread.popleft(), self._shown)
        self.ended = self.lens.ended
        return part

    async def aclose(self) -> None:
        """Stop the work behind it."""
        try:
            await self._events.aclose()
        finally:
            await self._stream.aclose()
