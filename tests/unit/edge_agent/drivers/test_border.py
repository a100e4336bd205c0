"""The border: our own end is told from whatever a library raises."""

import asyncio

import pytest

from edge_agent.drivers.border import attempt, is_our_end, told


class LibraryError(BaseException):
    """What no ``except Exception`` sees."""


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_process_that_is_to_stop_stops(error: BaseException) -> None:
    """If it fails, Ctrl-C in the middle of a device's call is taken for a broken device."""

    def stop() -> None:
        raise error

    assert is_our_end(error)
    with pytest.raises(type(error)):
        attempt(stop, None, lambda _error: None)


def test_cancellation_is_ours_only_if_we_were_cancelled() -> None:
    """If it fails, a library's cancelled future ends a worker, or a worker cannot be ended."""

    async def library_cancels() -> bool:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        try:
            await future
        except asyncio.CancelledError as error:
            return is_our_end(error)
        raise AssertionError("it was cancelled")

    async def we_are_cancelled(judged: list[bool]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            judged.append(is_our_end(error))
            raise

    async def test() -> None:
        assert not await library_cancels()
        judged: list[bool] = []
        task = asyncio.create_task(we_are_cancelled(judged))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert judged == [True]

    asyncio.run(test())


def test_anything_else_is_a_value_with_its_cause_in_one_line() -> None:
    """If it fails, the log of a failed device says nothing of why."""
    noted: list[BaseException] = []

    def fails() -> int:
        raise LibraryError("unknown object")

    assert attempt(fails, 7, noted.append) == 7
    assert told(noted[0]) == "LibraryError: unknown object"
    assert told(BaseExceptionGroup("two", [ValueError("first"), noted[0]])) == "ValueError: first"
    assert told(TimeoutError()) == "TimeoutError"
