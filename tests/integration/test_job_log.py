"""Claim and log on the real Redis: one owner at a time, no hole, no duplicate, one terminal entry."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from services.router_worker.ports import Begun, Ended, RunningElsewhere, Taken
from shared.job_log import EventType, Keyspace
from tests.suites.job_log_members import Fleet, a_job, delta, joining, listening, shown


@pytest.fixture
async def fleet(redis: Redis, fresh_name: Callable[[str], str]) -> AsyncIterator[Fleet]:
    async with joining(redis, Keyspace(fresh_name("log"))) as join:
        yield join


async def test_a_log_holds_what_was_said_in_order_and_ends_once(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    journal = await worker.open(job)
    for number in range(500):
        journal.show(delta(number))
        if number % 100 == 0:
            await asyncio.sleep(0.02)
    assert await worker.end(journal)
    entries = await worker.log(job)
    assert [entry.type for entry in entries] == [
        *(EventType.ACCEPTED, EventType.STARTED),
        *[EventType.DELTA] * 500,
        EventType.DONE,
    ]
    assert [entry.data for entry in entries[2:-1]] == [b'{"n":%d}' % number for number in range(500)]
    assert [entry.cursor.seq for entry in entries[1:]] == list(range(1, 503))


async def test_a_server_that_has_forgotten_the_scripts_is_told_them_again(fleet: Fleet, redis: Redis) -> None:
    worker, job = fleet("w"), a_job()
    journal = await worker.open(job)
    await redis.script_flush()
    journal.show(delta(0))
    assert await worker.end(journal)
    assert [entry.type for entry in await worker.log(job)][1:] == [EventType.STARTED, EventType.DELTA, EventType.DONE]


async def test_a_job_that_a_living_worker_runs_is_not_taken(fleet: Fleet) -> None:
    first, second, job = fleet("first"), fleet("second"), a_job()
    await first.heartbeat.beat()
    await first.take(job)
    assert await second.take(job) == RunningElsewhere("first", 1)


async def test_the_job_of_a_dead_worker_gets_the_next_epoch_and_its_attempts_are_known(fleet: Fleet) -> None:
    first, second, job = fleet("first"), fleet("second"), a_job()
    await first.take(job)
    await first.claims.note(job.id, 1, "a1", b"begun")
    taken = await second.take(job)
    assert isinstance(taken, Taken)
    assert (taken.epoch, dict(taken.begun), dict(taken.finished)) == (2, {1: b"begun"}, {})


async def test_a_zombie_is_fenced_and_its_words_do_not_reach_the_log(fleet: Fleet) -> None:
    zombie, heir, job = fleet("zombie"), fleet("heir"), a_job()
    journal = await zombie.open(job)
    journal.show(delta(1))
    await shown(zombie, job, 3)
    heirs = await heir.open(job)
    journal.show(delta(2))
    assert not await zombie.end(journal)
    assert zombie.fenced == 1
    heirs.show(delta(3))
    assert await heir.end(heirs)
    data = [entry.data for entry in await heir.log(job) if entry.type is EventType.DELTA]
    assert data == [b'{"n":1}', b'{"n":3}']


async def test_an_ended_job_is_not_run_again_and_tells_whether_its_messages_are_out(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    await worker.end(await worker.open(job))
    assert await worker.take(job) == Ended(b'{"outcome":1}', "w", owner_lives=False, published=False)
    await worker.claims.note(job.id, 1, "published", b"1")
    assert await worker.take(job) == Ended(b'{"outcome":1}', "w", owner_lives=False, published=True)


async def test_that_an_end_was_published_which_was_lost_says_nothing_of_the_next_one(fleet: Fleet) -> None:
    """A claim is restored field by field: when the worker dies over it, the end may not be there yet."""
    first, second, job = fleet("first"), fleet("second"), a_job()
    await first.take(job)
    await first.claims.note(job.id, 1, "published", b"1")
    await second.end(await second.open(job))
    assert await second.take(job) == Ended(b'{"outcome":1}', "second", owner_lives=False, published=False)


async def test_one_message_carries_all_that_one_ingress_follows(fleet: Fleet) -> None:
    worker, one, other = fleet("w"), a_job(), a_job()
    channel = worker.keyspace.ingress_channel("i1", one.id)
    async with listening(worker.redis, channel) as heard:
        journals = [await worker.open(one), await worker.open(other)]
        for job in (one, other):
            await worker.redis.sadd(worker.keyspace.job(job.id).readers, channel)
        for journal in journals:
            journal.show(delta(7))
        parts = (await asyncio.wait_for(heard.get(), 20)).split(b"\n")
        assert parts[0::3] == [one.id.encode(), other.id.encode()]
        assert parts[2::3] == [b'delta {"n":7}'] * 2


async def test_an_ingress_that_nobody_hears_is_dropped(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    journal = await worker.open(job)
    readers = worker.keyspace.job(job.id).readers
    await worker.redis.sadd(readers, worker.keyspace.ingress_channel("gone", job.id))
    journal.show(delta(1))
    await worker.end(journal)
    assert await worker.redis.smembers(readers) == set()


async def test_a_handed_over_job_is_taken_at_once_though_its_owner_lives(fleet: Fleet) -> None:
    first, second, job = fleet("first"), fleet("second"), a_job()
    await first.heartbeat.beat()
    await first.take(job)
    await first.claims.hand_over(job.id, 1)
    taken = await second.take(job)
    assert isinstance(taken, Taken)
    assert taken.epoch == 2


async def test_a_hand_over_that_the_server_has_lost_is_told_again(fleet: Fleet, redis: Redis) -> None:
    first, second, job = fleet("first"), fleet("second"), a_job()
    await first.heartbeat.beat()
    await first.take(job)
    await first.claims.hand_over(job.id, 1)
    await redis.hset(first.keyspace.job(job.id).claim, "owner", "first")  # as a replica has it that was behind
    assert await second.take(job) == RunningElsewhere("first", 1)
    repeating = asyncio.create_task(first.claims.run(every_seconds=0.02, forgets_within_seconds=0.1))
    async with asyncio.timeout(20):
        while isinstance(taken := await second.take(job), RunningElsewhere):
            await asyncio.sleep(0.02)
    repeating.cancel()
    assert isinstance(taken, Taken)


async def test_a_hand_over_that_is_told_again_takes_nothing_from_a_later_owner(fleet: Fleet) -> None:
    first, second, job = fleet("first"), fleet("second"), a_job()
    for member in (first, second):
        await member.heartbeat.beat()
    await first.take(job)
    await first.claims.hand_over(job.id, 1)
    await second.take(job)
    repeating = asyncio.create_task(first.claims.run(every_seconds=0.01, forgets_within_seconds=0.01))
    await asyncio.sleep(0.1)
    repeating.cancel()
    assert await first.take(job) == RunningElsewhere("second", 2)


async def test_a_cancel_mark_is_seen_at_the_next_note(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    await worker.take(job)
    await worker.redis.hset(worker.keyspace.job(job.id).claim, "cancel", 1)
    assert await worker.claims.note(job.id, 1, "a1", b"{}") is Begun.CANCEL
    assert await worker.claims.note(job.id, 0, "a1", b"{}") is Begun.FENCED


async def test_the_first_output_does_not_wait_for_the_tick(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    worker.flusher._turns._tick = 600.0
    journal = await worker.open(job)
    journal.show(delta(1))
    await shown(worker, job, 3)
