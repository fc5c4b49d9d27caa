"""The lazy timer that ends a stream's waits."""

import asyncio

import pytest

from shared.alarm import Alarm

TEST_SECONDS = 5


def limit(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def passing(moment: float) -> None:
    """Returns when a limit would have struck."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_at(moment + 0.001, passed.set)
    async with asyncio.timeout(TEST_SECONDS):
        await passed.wait()


async def waiting(alarm: Alarm, seconds: float) -> bool:
    """Waits for what never comes; says what ended it."""
    alarm.watch(limit(seconds))
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        if not alarm.struck():
            raise
        return True
    finally:
        alarm.close()


async def test_a_limit_ends_the_wait() -> None:
    async with asyncio.timeout(TEST_SECONDS):
        assert await waiting(Alarm(), 0.01)


async def test_a_limit_that_has_passed_ends_the_wait_at_once() -> None:
    async with asyncio.timeout(TEST_SECONDS):
        assert await waiting(Alarm(), -1)


async def test_the_task_can_wait_on_as_if_nothing_had_been() -> None:
    async with asyncio.timeout(TEST_SECONDS):
        await waiting(Alarm(), 0.01)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)


async def test_a_cancellation_from_outside_goes_on() -> None:
    task = asyncio.ensure_future(waiting(Alarm(), 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_outside_has_precedence_over_a_limit_in_the_same_instant() -> None:
    alarm = Alarm()
    task = asyncio.ensure_future(waiting(alarm, 0))
    await asyncio.sleep(0)
    alarm._ring()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_earlier_limit_moves_the_timer() -> None:
    alarm = Alarm()
    alarm.watch(limit(60))
    alarm.rest()
    async with asyncio.timeout(TEST_SECONDS):
        assert await waiting(alarm, 0.01)


async def test_a_later_limit_lets_the_wait_go_on() -> None:
    alarm = Alarm()
    early = limit(0.01)
    alarm.watch(early)
    alarm.rest()
    alarm.watch(limit(60))
    await passing(early)
    alarm.rest()
    alarm.close()


async def test_time_that_is_not_spent_waiting_does_not_count() -> None:
    alarm = Alarm()
    early = limit(0.01)
    alarm.watch(early)
    alarm.rest()
    await passing(early)
    async with asyncio.timeout(TEST_SECONDS):
        assert await waiting(alarm, 0.01)


async def test_a_closed_alarm_never_strikes() -> None:
    alarm = Alarm()
    early = limit(0.01)
    alarm.watch(early)
    alarm.close()
    await passing(early)
