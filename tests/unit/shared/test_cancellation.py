"""Who is told to stop in the middle of a library's call stops, whatever the library makes of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.cancellation import cancellation_heard
from tests.suites.stopping import stops_when_told


async def breaks_when_it_is_left() -> None:
    """As a pool does that takes back a connection to a server that is not there."""
    try:
        await asyncio.Event().wait()
    finally:
        raise TimeoutError("the connection did not come back in order")


async def gives_its_result_instead() -> None:
    """As `asyncio.wait_for` does before Python 3.12."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return


@pytest.mark.parametrize("call", [breaks_when_it_is_left, gives_its_result_instead])
async def test_a_loop_around_a_call_that_hides_a_cancellation_ends(call: Callable[[], Awaitable[None]]) -> None:
    async def loop() -> None:
        while True:
            try:
                with cancellation_heard():
                    await call()
            except TimeoutError:
                pass

    assert await stops_when_told(loop())


async def test_a_failure_without_a_cancellation_is_that_failure() -> None:
    with pytest.raises(TimeoutError, match="as it was"), cancellation_heard():
        raise TimeoutError("as it was")


async def test_the_end_of_patience_around_the_block_is_told_as_such() -> None:
    async def impatient() -> None:
        async with asyncio.timeout(0.01):
            with cancellation_heard():
                await gives_its_result_instead()

    with pytest.raises(TimeoutError):
        await impatient()


async def test_the_end_of_patience_within_the_block_is_no_cancellation() -> None:
    with cancellation_heard(), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
