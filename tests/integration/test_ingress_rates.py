"""Limits on real Valkey: the script does what the model says, replicas share what is left, ends give it back."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from redis.asyncio import Redis

from services.ingress.adapters.redis_rates import RedisRates
from services.ingress.admission import Denied, Granted, Pace
from services.router_worker.ports import FlushMeasures, Taken
from services.router_worker.publishing.flusher import Flusher
from shared.ids import new_job_id
from shared.job_log import EventType, JobFacts, Keyspace, facts_of
from shared.rates import KEEP, TAKE, Refusal, Resource, Scope, State, take
from shared.rates import Taken as Given
from tests.suites.ingress import ADMIN, a_job, chat_body
from tests.suites.served_ingress import fresh_place, serving_ingress

TTL_MS = 60_000


@pytest.fixture
def keyspace(fresh_name: Callable[[str], str]) -> Keyspace:
    return Keyspace(fresh_name("ns"))


def a_pace(*scopes: Scope, tokens: int = 0, patience: timedelta | None = None) -> Pace:
    return Pace(scopes, tokens, patience)


@pytest.mark.parametrize("seed", range(6))
async def test_the_script_does_what_the_model_does(redis: Redis, keyspace: Keyspace, seed: int) -> None:
    lots = random.Random(seed)
    scopes = [
        Scope(f"s{number}", *(lots.choice([None, lots.randint(1, 40) * 10**power]) for power in (0, 2, 0)))
        for number in range(4)
    ]
    script = redis.register_script(TAKE)
    states, earlier = {scope.name: State(0) for scope in scopes}, dict[str, tuple[bytes, ...]]()
    for number in range(150):
        asked = lots.sample(scopes, lots.randint(1, 4))
        tokens, patience = lots.choice([0, 3, 800]), lots.choice([None, None, 0, 4000, 10**7])
        keys = [keyspace.hold(job := new_job_id())]
        for scope in asked:
            keys += keyspace.rates(scope.name)
        limits = [limit or 0 for scope in asked for limit in (scope.requests, scope.tokens, scope.places)]
        words = [job, tokens, -1 if patience is None else patience, 50, 5000, *limits]
        reply = await script(keys, words)
        now = int(reply[1])
        expected = take(
            asked,
            [states[scope.name] for scope in asked],
            job=job,
            tokens=tokens,
            now_ms=now,
            patience_ms=patience,
            place_ms=50,
        )
        match expected:
            case Given():
                assert (reply[0], int(reply[2])) == (b"taken", expected.wait_ms), (number, seed)
                earlier[job] = (b"taken", reply[2])
                levels = reply[3:]
            case Refusal():
                retry = -1 if expected.retry_ms is None else expected.retry_ms
                found = (reply[0], int(reply[2]), int(reply[3]), reply[4].decode())
                assert found == (b"refused", retry, expected.scope, expected.resource), (number, seed)
                levels = reply[5:]
        for at, (scope, state) in enumerate(zip(asked, expected.states, strict=True)):
            states[scope.name] = state
            for resource, _ in scope.limits():
                place = at * 4 + (0 if resource is Resource.REQUESTS else 2)
                bucket = state.buckets[resource]
                assert (int(levels[place]), int(levels[place + 1])) == (bucket.level, bucket.owed)
        if isinstance(expected, Given) and lots.random() < 0.2:  # as after a lost reply
            again = await script(keys, words)
            assert (again[0], int(again[2])) == (b"taken", expected.wait_ms)
        if lots.random() < 0.1:
            await asyncio.sleep(0.02)


async def test_what_is_given_back_can_be_taken_again(redis: Redis, keyspace: Keyspace) -> None:
    book = RedisRates(redis, keyspace)
    pace = a_pace(Scope("a", requests=1, tokens=100, places=1), tokens=100)
    first, second = new_job_id(), new_job_id()
    assert isinstance(await book.take(first, pace), Granted)
    assert isinstance(await book.take(second, pace), Denied)
    await book.give_back(first)
    await book.give_back(first)
    assert isinstance(await book.take(second, pace), Granted)
    assert isinstance(await book.take(first, pace), Denied)


async def test_what_was_owed_is_given_back_too(redis: Redis, keyspace: Keyspace) -> None:
    book = RedisRates(redis, keyspace)
    pace = a_pace(Scope("a", requests=1), patience=timedelta(hours=1))
    first, second, third = new_job_id(), new_job_id(), new_job_id()
    assert isinstance(await book.take(first, pace), Granted)
    found = await book.take(second, pace)
    await book.give_back(second)
    again = await book.take(third, pace)
    assert isinstance(found, Granted)
    assert isinstance(again, Granted)
    assert timedelta() < again.wait <= found.wait


async def test_a_place_is_free_when_nobody_made_it_last_and_stays_when_somebody_did(
    redis: Redis, keyspace: Keyspace
) -> None:
    """An ingress that is killed before Kafka has the job holds nothing for long."""
    book = RedisRates(redis, keyspace, lease=timedelta(milliseconds=150))
    pace = a_pace(Scope("a", places=1))
    living, killed, accepted, next_one = new_job_id(), new_job_id(), new_job_id(), new_job_id()
    assert isinstance(await RedisRates(redis, keyspace).take(living, pace), Granted)
    assert isinstance(await book.take(killed, pace), Denied)
    await book.give_back(living)
    assert isinstance(await book.take(killed, pace), Granted)
    keep = redis.register_script(KEEP)
    async with asyncio.timeout(30):
        while isinstance(await book.take(accepted, pace), Denied) or not await keep(
            [keyspace.hold(accepted)], [TTL_MS]
        ):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    assert isinstance(await book.take(next_one, pace), Denied)


async def test_the_end_of_a_job_frees_its_place_and_corrects_its_tokens(redis: Redis, keyspace: Keyspace) -> None:
    book = RedisRates(redis, keyspace)
    scope = Scope("a", tokens=1000, places=1)
    job = a_job(paced=True)
    assert isinstance(await book.take(job.id, a_pace(scope, tokens=900)), Granted)
    flusher = Flusher(redis, keyspace, "w1", _NoMeasures())
    running = asyncio.create_task(flusher.run())
    try:
        taken = Taken(1, 1, b"started {}", False, 0, {}, {})
        await redis.xadd(keyspace.job(job.id).log, {"d": b"started {}"}, "1-1")
        facts = facts_of(job)
        assert isinstance(facts, JobFacts)
        journal = flusher.open(job, taken, {"epoch": b"1"}, TTL_MS, lambda: None)
        assert isinstance(await book.take(new_job_id(), a_pace(scope, tokens=1)), Denied)
        assert await journal.end(EventType.DONE, b"{}", b"{}", TTL_MS, 300)
    finally:
        running.cancel()
        await asyncio.wait({running})
    found = await book.take(new_job_id(), a_pace(scope, tokens=690))
    assert isinstance(found, Granted)
    assert found.allowance.tokens is not None
    # 1000, less 300 used and 690 taken, and what came in meanwhile.
    assert 10 <= found.allowance.tokens.remaining < 300


class _NoMeasures(FlushMeasures):
    def flushed(self, entries: int, seconds: float) -> None: ...

    def refilled(self, logs: int) -> None: ...


async def test_replicas_share_one_limit_and_say_so(kafka_url: str, redis_url: str, postgres_url: str) -> None:
    async with (
        fresh_place(kafka_url, redis_url, postgres_url) as place,
        serving_ingress(place, replicas=2) as served,
        httpx.AsyncClient(timeout=60, trust_env=False) as client,
    ):
        admin = f"{served.url(0)}/admin/v1"
        await client.post(f"{admin}/tenants", json={"tenant": "globex"}, headers=ADMIN)
        made = await client.post(
            f"{admin}/keys", json={"tenant": "globex", "limits": {"requests_per_minute": 20}}, headers=ADMIN
        )
        headers = {"authorization": f"Bearer {made.json()['key']}", "content-type": "application/json"}
        began = time.monotonic()
        answers = await asyncio.gather(
            *(
                client.post(f"{served.url(number % 2)}/v1/jobs", content=chat_body(), headers=headers)
                for number in range(40)
            )
        )
        came_back = (time.monotonic() - began) / 3  # one every three seconds
        accepted = [answer for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 20 <= len(accepted) <= 20 + came_back
        assert [answer.text for answer in answers if answer.status_code not in (202, 429)] == []
        for answer in answers:
            assert answer.headers["x-ratelimit-limit-requests"] == "20"
        for answer in refused:
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"
            assert 1 <= int(answer.headers["retry-after"]) <= 3
            assert int(answer.headers["retry-after-ms"]) <= 3000
        begins_at = None
        async with asyncio.timeout(30):
            while begins_at is None:  # what came back meanwhile is given first
                waiting = await client.post(
                    f"{served.url(1)}/v1/jobs", content=chat_body(), headers=headers | {"x-sluice-lane": "batch"}
                )
                assert waiting.status_code == 202
                begins_at = waiting.json()["not_before"]
