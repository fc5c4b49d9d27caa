"""What the real Redis has lost of logs and claims is there again, and nobody is taken for dead by it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from services.router_worker.ports import Begun, Ended, RunningElsewhere, Taken, Uncertain
from services.router_worker.publishing import flusher
from shared.clock import unix_ms
from shared.contracts import Job
from shared.job_log import ACCEPT, EventType, Keyspace, accepted_entry, facts_of
from tests.suites.job_log_members import DEAD_AFTER_SECONDS, TTL_MS, Fleet, a_job, delta, joining, listening, shown


@pytest.fixture
async def fleet(redis: Redis, fresh_name: Callable[[str], str]) -> AsyncIterator[Fleet]:
    async with joining(redis, Keyspace(fresh_name("log"))) as join:
        yield join


def accepted_an_hour_ago() -> Job:
    return a_job().model_copy(update={"accepted_at": datetime.now(UTC) - timedelta(hours=1)})


@pytest.fixture
def unlooked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is found out by whoever writes, and not by a look that comes in between."""
    monkeypatch.setattr(flusher, "_LOOK_SECONDS", 600)


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


@pytest.mark.usefixtures("unlooked_after")
async def test_a_lost_claim_that_another_took_meanwhile_fences_the_former_owner(fleet: Fleet) -> None:
    first, second, job = fleet("first"), fleet("second"), accepted_an_hour_ago()
    journal = await first.open(job)
    journal.show(delta(1))
    await shown(first, job, 3)
    await first.forget(job)
    await first.remembers_since(unix_ms(job.accepted_at) + 500)
    taken = await second.take(job)
    assert isinstance(taken, Taken)
    assert (taken.epoch, taken.forgotten) == (501, 500)
    journal.show(delta(2))
    assert not await first.end(journal)
    assert first.fenced == 1


async def test_a_job_whose_owner_may_have_been_forgotten_is_not_taken_before_the_owner_was_heard(
    fleet: Fleet,
) -> None:
    first, second, job = fleet("first"), fleet("second"), accepted_an_hour_ago()
    journal = await first.open(job)
    await first.forget(job)
    await first.remembers_since(unix_ms(datetime.now(UTC)))
    taken = await second.take(job)
    assert isinstance(taken, Uncertain)
    assert 0 < taken.seconds <= DEAD_AFTER_SECONDS
    journal.show(delta(1))
    async with asyncio.timeout(5):
        while isinstance(taken, Uncertain):
            taken = await second.take(job)
    assert taken == RunningElsewhere("first", 1)


async def test_a_job_whose_owner_may_have_been_forgotten_is_taken_when_nobody_was_heard(fleet: Fleet) -> None:
    worker, job = fleet("w"), accepted_an_hour_ago()
    await worker.remembers_since(unix_ms(datetime.now(UTC) - timedelta(seconds=DEAD_AFTER_SECONDS - 1)))
    taken = await worker.take(job)
    assert isinstance(taken, Uncertain)
    async with asyncio.timeout(10):
        while isinstance(taken, Uncertain):
            await asyncio.sleep(taken.seconds)
            taken = await worker.take(job)
    assert isinstance(taken, Taken)


async def test_who_notes_in_a_claim_that_is_of_an_epoch_before_has_lost_it_and_is_not_fenced(fleet: Fleet) -> None:
    """A replica that was behind has become the primary."""
    worker, job = fleet("w"), a_job()
    await worker.take(job)
    await worker.redis.hset(worker.keyspace.job(job.id).claim, mapping={"owner": "former", "epoch": 1})
    assert await worker.claims.note(job.id, 2, "a2", b"begun") is Begun.LOST
    assert await worker.claims.note(job.id, 1, "a1", b"begun") is Begun.OK
    assert await worker.claims.note(job.id, 0, "a0", b"begun") is Begun.FENCED


async def test_a_run_that_is_surely_over_is_taken_over_though_its_worker_lives(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    await worker.heartbeat.beat()
    await worker.take(job)
    claimed = await worker.take(job)
    assert claimed == RunningElsewhere("w", 1)
    taken = await worker.claims.take_over(job, b"{}", TTL_MS, claimed)
    assert isinstance(taken, Taken)
    assert taken.epoch == 2


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
    await shown(worker, job, 3)
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


@pytest.mark.usefixtures("unlooked_after")
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
    now = unix_ms(datetime.now(UTC))
    await second.remembers_since(now)
    assert await second.take(job) == RunningElsewhere("first", 1)
    await second.remembers_since(now - DEAD_AFTER_SECONDS * 1000)
    assert isinstance(await second.take(job), Taken)


async def test_readers_are_called_back_after_a_refill(fleet: Fleet) -> None:
    worker, job = fleet("w"), a_job()
    async with listening(worker.redis, worker.keyspace.refollow_channel) as heard:
        journal = await worker.open(job)
        journal.show(delta(1))
        await asyncio.sleep(0.05)
        await worker.forget(job)
        await worker.end(journal)
        assert await asyncio.wait_for(heard.get(), 20) == job.id.encode()
