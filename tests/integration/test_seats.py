"""Seats on real Redis: never two workers on one, and who replaces a worker that died sits where it sat."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from services.router_worker.fleet.seats import Seats
from shared.job_log import Keyspace
from tests.suites.fleet import until

EVERY = 2.0
"""Between two renewals. A seat lasts three times as long: longer than a busy machine keeps a test waiting."""
Sit = Callable[[str], Seats]


@pytest.fixture
def keyspace(fresh_name: Callable[[str], str]) -> Keyspace:
    return Keyspace(fresh_name("fleet"))


@pytest.fixture
def worker(redis: Redis, keyspace: Keyspace) -> Sit:
    def of(worker: str) -> Seats:
        name = worker.partition("-")[0]
        return Seats(redis, keyspace, worker, name=name, every_seconds=EVERY, session_seconds=60)

    return of


@pytest.fixture
async def holding(worker: Sit) -> AsyncIterator[Callable[[str], "asyncio.Task[None]"]]:
    """Workers that sit and hold on; cancelling the task is the death of one."""
    lives: list[asyncio.Task[None]] = []

    async def live(seats: Seats) -> None:
        await seats.take()
        await seats.run(lambda _: None)

    def begin(name: str) -> "asyncio.Task[None]":
        lives.append(asyncio.create_task(live(worker(name)), name=name))
        return lives[-1]

    yield begin
    for life in lives:
        life.cancel()
    await asyncio.wait(lives)


async def occupied(redis: Redis, keyspace: Keyspace) -> dict[int, str]:
    return {int(number): seat.split()[2].decode() for number, seat in (await redis.hgetall(keyspace.seats)).items()}


async def three_sit(redis: Redis, keyspace: Keyspace) -> dict[int, str]:
    async with asyncio.timeout(30):
        while len(seats := await occupied(redis, keyspace)) < 3:
            await asyncio.sleep(0.01)
    return seats


async def is_sure_again(seats: Seats, name: str) -> None:
    async with asyncio.timeout(30):
        while await seats.confirm() != name:
            await asyncio.sleep(0.01)


async def test_many_who_come_at_once_get_the_first_numbers_each_one_of_its_own(worker: Sit) -> None:
    fleet = [worker(f"w{number}") for number in range(12)]
    await asyncio.gather(*(seats.take() for seats in fleet))
    assert {seats.name for seats in fleet} == {f"seat-{number}" for number in range(12)}


async def test_who_replaces_a_dead_worker_sits_where_it_sat(worker: Sit, holding, redis, keyspace) -> None:
    lives = [holding(f"w{number}") for number in range(3)]
    seats = await three_sit(redis, keyspace)
    (freed,) = (number for number, name in seats.items() if name == "w1")
    lives[1].cancel()
    await asyncio.sleep(EVERY * 1.5)  # longer ago than a living worker lets it get, and not run out yet
    successor = worker("w1 again")
    await successor.take()
    assert successor.name == f"seat-{freed}"


async def test_who_is_started_again_in_no_time_sits_where_it_sat(worker: Sit, holding, redis, keyspace) -> None:
    lives = [holding(f"w{number}-first") for number in range(3)]
    seats = await three_sit(redis, keyspace)
    (freed,) = (number for number, name in seats.items() if name == "w1-first")
    lives[1].cancel()
    successor = worker("w1-second")
    await successor.take()
    assert successor.name == f"seat-{freed}"


async def test_who_comes_additionally_does_not_wait_for_anybody(worker: Sit, holding, redis, keyspace) -> None:
    holding("w0")
    seen: set[bytes] = set()
    async with asyncio.timeout(30):
        while len(seen) < 2:  # taken, and renewed once
            seen |= set(await redis.hvals(keyspace.seats))
            await asyncio.sleep(0.01)
    additional = worker("w1")
    async with asyncio.timeout(30):  # as long as its holder lives, a seat never runs out
        await additional.take()
    assert additional.name == "seat-1"


async def test_nobody_believes_in_a_seat_that_may_be_anothers(worker: Sit, redis, keyspace) -> None:
    stopped, successor = worker("stopped"), worker("successor")
    await stopped.take()
    await until(lambda: stopped.name is None, "it has not renewed, and stops believing by its own clock")
    await successor.take()
    assert successor.name == "seat-0"
    assert await stopped.confirm() is None
    assert await occupied(redis, keyspace) == {0: "successor"}


async def test_a_seat_that_ran_out_and_was_nobody_elses_is_held_again(worker: Sit, redis, keyspace) -> None:
    paused = worker("paused")
    await paused.take()
    await until(lambda: paused.name is None, "it runs out")
    await is_sure_again(paused, "seat-0")
    await redis.delete(keyspace.seats)  # as when Redis loses everything
    await is_sure_again(paused, "seat-0")
    assert await occupied(redis, keyspace) == {0: "paused"}


async def test_losing_the_name_is_told(worker: Sit, redis, keyspace) -> None:
    told: list[str | None] = []
    robbed = worker("robbed")
    await robbed.take()
    running = asyncio.create_task(robbed.run(told.append))
    await redis.hset(keyspace.seats, "0", "1 99999999999999 thief")
    await until(lambda: told == [None], "it is told")
    running.cancel()
    await asyncio.wait([running])


async def test_who_will_be_back_is_replaced_before_a_number_that_was_free_for_longer(worker: Sit) -> None:
    gone, away, here = worker("gone"), worker("away"), worker("here")
    for seats in (gone, away, here):
        await seats.take()
    await gone.clear_away()
    await away.leave_behind()
    back, additional = worker("back"), worker("additional")
    await back.take()
    await additional.take()
    assert (back.name, additional.name) == ("seat-1", "seat-0")
