import asyncio

import pytest

from proxy.upstreams.deadline import Deadline


def running(seconds: float = 60.0) -> Deadline:
    return Deadline(asyncio.get_running_loop().time() + seconds)


def test_many_waits_are_bounded_together() -> None:
    async def main() -> None:
        deadline = running(0.2)
        for _ in range(2):
            with deadline:
                await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError), deadline:
            await asyncio.sleep(30)
        with pytest.raises(TimeoutError), deadline:
            pass
        await asyncio.sleep(0)  # the task is not left cancelled

    asyncio.run(main())


def test_between_waits_nobody_is_interrupted() -> None:
    async def main() -> None:
        deadline = running(0.01)
        await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError), deadline:
            raise AssertionError

    asyncio.run(main())


def test_a_cancelled_task_stays_cancelled() -> None:
    async def waiting() -> None:
        with running():
            await asyncio.sleep(30)

    async def main() -> None:
        task = asyncio.create_task(waiting())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_cancellation_beside_the_deadline_stands() -> None:
    async def waiting(deadline: Deadline) -> None:
        with deadline:
            await asyncio.sleep(30)

    async def main() -> None:
        deadline = running()
        task = asyncio.create_task(waiting(deadline))
        await asyncio.sleep(0.01)
        task.cancel()
        deadline._pass()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_other_errors_and_results_pass() -> None:
    async def main() -> None:
        deadline = running()
        with pytest.raises(ValueError, match="x"), deadline:
            raise ValueError("x")
        deadline.close()

    asyncio.run(main())
