"""Claim and log on the real Redis: one owner at a time, no hole, no duplicate, one terminal entry."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from services.router_worker.fleet.claims import RedisClaims
from services.router_worker.fleet.heartbeat import Heartbeat
from services.router_worker.measures import WorkerMeasures
from services.router_worker.ports import Begun, Ended, RunningElsewhere, Taken
from services.router_worker.publishing.flusher import Flusher
from shared.clock import unix_ms
from shared.job_log import ACCEPT, REMEMBER, EventType, Keyspace, accepted_entry, facts_of
from shared.redis import redis_client
from shared.telemetry.instruments import Instruments
from tests.suites.job_log_members import Member, a_job, delta, listening, shown

Fleet = Callable[[str], Member]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = redis_client(redis_url, call_seconds=5)
    yield redis
    await redis.aclose(close_connection_pool=True)


@pytest.fixture
async def fleet(redis: Redis, fresh_name: Callable[[str], str]) -> AsyncIterator[Fleet]:
    keyspace = Keyspace(fresh_name("log"))
    await redis.register_script(REMEMBER)(keyspace.memories)
    await redis.hset(keyspace.memories[0], "since", 0)
    tasks = []

    def join(name: str) -> Member:
        heartbeat = Heartbeat(redis, keyspace, name, every_seconds=0.2, dead_after_seconds=0.6)
        claims = RedisClaims(redis, keyspace, name, heartbeat)
        flusher = Flusher(redis, keyspace, name, WorkerMeasures(Instruments("test")))
        member = Member(redis, keyspace, name, claims, flusher, heartbeat)
        tasks.append(asyncio.create_task(member.flusher.run()))
        return member

    yield join
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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
    await asyncio.sleep(0.05)
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


async def test_a_lost_log_is_refilled_with_the_same_ids_and_its_claim_restored(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    journal = await worker.open(job)
    for number in range(5):
        journal.show(delta(number))
    await asyncio.sleep(0.05)
    _, *before = await worker.log(job)
    await worker.forget(job)
    journal.show(delta(5))
    assert await worker.end(journal)
    after = await worker.log(job)
    assert after[: len(before)] == before
    assert [entry.data for entry in after if entry.type is EventType.DELTA] == [b'{"n":%d}' % n for n in range(6)]
    assert await worker.redis.hget(worker.keyspace.job(job.id).claim, "owner") == b"w"


async def test_a_log_lost_just_before_its_end_is_refilled_too(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    journal = await worker.open(job)
    journal.show(delta(1))
    await asyncio.sleep(0.05)
    await worker.forget(job)
    assert await worker.end(journal)
    assert [entry.type for entry in await worker.log(job)] == [EventType.STARTED, EventType.DELTA, EventType.DONE]


async def test_a_lost_claim_that_another_took_meanwhile_fences_the_former_owner(fleet: Fleet) -> None:
    first, second, job = fleet("first"), fleet("second"), a_job()
    journal = await first.open(job)
    journal.show(delta(1))
    await asyncio.sleep(0.05)
    await first.forget(job)
    await first.remembers_since(unix_ms(job.accepted_at) + 500)
    taken = await second.take(job)
    assert isinstance(taken, Taken)
    assert (taken.epoch, taken.forgotten) == (501, 500)
    journal.show(delta(2))
    assert not await first.end(journal)
    assert first.fenced == 1


async def test_a_job_accepted_since_the_server_came_up_begins_in_epoch_1(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    await worker.remembers_since(unix_ms(job.accepted_at))
    taken = await worker.take(job)
    assert isinstance(taken, Taken)
    assert (taken.epoch, taken.forgotten) == (1, 0)


async def test_a_lost_log_is_missed_though_nothing_is_written(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    journal = await worker.open(job)
    journal.show(delta(1))
    await shown(worker, job, 2)
    await worker.forget(job)
    await shown(worker, job, 2)
    assert await worker.redis.hget(worker.keyspace.job(job.id).claim, "owner") == b"w"


async def test_a_log_lost_behind_its_end_is_ended_again(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    journal = await worker.open(job)
    journal.show(delta(1))
    await worker.end(journal)
    journal.close()
    _, *before = await worker.log(job)
    journal.claim["published"] = b"1"
    await worker.forget(job)
    await shown(worker, job, len(before))
    assert await worker.log(job) == before
    assert await worker.take(job) == Ended(b'{"outcome":1}', "w", owner_lives=False, published=True)


async def test_a_log_that_is_lost_before_its_job_is_told_to_be_accepted_is_refilled_too(
    fleet: Fleet, redis: Redis
) -> None:
    """The door is late, and writes into an empty log what the worker had in it besides its own."""
    worker, job = fleet("w"), a_job()
    journal = await worker.open(job)
    keys = worker.keyspace.job(job.id)
    await worker.forget(job)
    await redis.register_script(ACCEPT)(
        [keys.log, keys.readers, keys.claim], [job.id, facts_of(job).to_bytes(), accepted_entry(job), 60_000]
    )
    journal.show(delta(1))
    assert await worker.end(journal)
    assert [str(entry.cursor) for entry in await worker.log(job)] == ["0-1", "1-1", "1-2", "1-3"]


async def test_a_log_that_was_handed_over_is_nobodys_to_refill(fleet: Fleet) -> None:
    worker, job, other = fleet("w"), a_job(), a_job()
    journal, witness = await worker.open(job), await worker.open(other)
    journal.close()
    await worker.forget(job)
    await worker.forget(other)
    await shown(worker, other, 1)
    assert await worker.log(job) == []
    witness.close()


async def test_nobody_is_dead_as_long_as_the_server_may_have_lost_the_heartbeat(fleet: Fleet) -> None:
    first, second, job = fleet("first"), fleet("second"), a_job()
    await first.take(job)
    await second.remembers_since(unix_ms(datetime.now(UTC)))
    assert await second.take(job) == RunningElsewhere("first", 1)
    async with asyncio.timeout(5):
        while isinstance(taken := await second.take(job), RunningElsewhere):
            await asyncio.sleep(0.05)
    assert isinstance(taken, Taken)


async def test_readers_are_called_back_after_a_refill(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    async with listening(worker.redis, worker.keyspace.refollow_channel) as heard:
        journal = await worker.open(job)
        journal.show(delta(1))
        await asyncio.sleep(0.05)
        await worker.forget(job)
        await worker.end(journal)
        assert await asyncio.wait_for(heard.get(), 2) == job.id.encode()


async def test_one_message_carries_all_that_one_ingress_follows(fleet: Fleet) -> None:
    worker, one, other = fleet("w"), a_job(), a_job()
    channel = worker.keyspace.ingress_channel("i1", one.id)
    async with listening(worker.redis, channel) as heard:
        journals = [await worker.open(one), await worker.open(other)]
        for job in (one, other):
            await worker.redis.sadd(worker.keyspace.job(job.id).readers, channel)
        for journal in journals:
            journal.show(delta(7))
        parts = (await asyncio.wait_for(heard.get(), 2)).split(b"\n")
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
    async with asyncio.timeout(5):
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
    worker = replace(worker)
    worker.flusher._tick = 30.0
    journal = await worker.open(job)
    journal.show(delta(1))
    async with asyncio.timeout(2):
        while len(await worker.log(job)) < 2:
            await asyncio.sleep(0.005)
