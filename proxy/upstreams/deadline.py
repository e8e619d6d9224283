"""A point in time that bounds many waits of one piece of work with a single timer.

Knows asyncio; nothing of what is waited for. As `asyncio.timeout_at`, which sets a timer for every wait: around each
part of a stream that was nearly half of what the proxy did for it.
"""

import asyncio
from types import TracebackType


class Deadline:
    """`with` it around each wait, one at a time: that raises TimeoutError when `at`, in the loop's time, has passed."""

    def __init__(self, at: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(at, self._pass)
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._interrupted = False
        self._passed = False

    def __enter__(self) -> None:
        if self._passed:
            raise TimeoutError
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        task, self._task = self._task, None
        if self._interrupted:
            self._interrupted = False
            assert task is not None
            # somebody else may have cancelled the task, too, and that stands
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _pass(self) -> None:
        self._passed = True
        if self._task is not None:
            self._interrupted = True
            self._task.cancel()

    def close(self) -> None:
        """Take the timer back, when there is nothing more to wait for."""
        self._timer.cancel()
