"""Requests that are sent again, on the real servers and across replicas: one job, and cancelled by its last reader."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.ingress.adapters.redis_reservations import RedisReservations
from services.ingress.admission import Departure
from services.ingress.ports import Reservation, UnavailableError
from services.ingress.wiring import wire
from shared.clock import utc_now
from shared.ids import JobId, new_job_id
from shared.job_log import Keyspace
from shared.redis import redis_client
from tests.suites.ingress import AUTH, OTHER_TENANTS_KEY, chat_body
from tests.suites.served_ingress import Place, ServedIngress, fresh_place, serving_ingress, the_config, until

CHAT, JOBS = "/v1/chat/completions", "/v1/jobs"
HANG = chat_body(messages=[{"role": "user", "content": "please hang"}], stream=True)


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    async with fresh_place(kafka_url, redis_url, postgres_url) as place, serving_ingress(place, replicas=2) as served:
        yield served


@pytest.fixture
async def clients(served: ServedIngress) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    async with served.client(0) as one, served.client(1) as other:
        yield one, other


def keyed() -> dict[str, str]:
    return {"idempotency-key": new_job_id()}


@asynccontextmanager
async def reading(
    client: httpx.AsyncClient, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> AsyncIterator[str]:
    """A stream that has said something, and goes on until the block is left; gives the job."""
    async with client.stream(method, path, content=body, headers=headers) as response:
        lines = response.aiter_lines()  # kept: whoever lets go of it closes the connection
        async for line in lines:
            if "Hm" in line:
                break
        yield response.headers["x-sluice-job-id"]


async def test_a_request_sent_many_times_at_once_to_both_replicas_is_one_job(
    served: ServedIngress, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    headers = keyed()
    answers = await asyncio.gather(
        *(clients[number % 2].post(CHAT, content=chat_body(), headers=headers) for number in range(20))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    (job,) = {answer.headers["x-sluice-job-id"] for answer in answers}
    late = await clients[1].post(CHAT, content=chat_body(), headers=headers)
    assert late.content == answers[0].content
    assert late.headers["idempotent-replayed"] == "true"
    assert {each.id for each in served.worker.jobs if each.id == job} == {job}


async def test_another_body_is_a_422_at_every_replica_and_another_tenant_has_its_own_keys(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    headers = keyed()
    mine = await clients[0].post(JOBS, content=chat_body(), headers=headers)
    other = await clients[1].post(JOBS, content=chat_body(user="x"), headers=headers)
    rival = {"authorization": f"Bearer {OTHER_TENANTS_KEY}"}
    theirs = await clients[1].post(JOBS, content=chat_body(user="x"), headers=headers | rival)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert theirs.status_code == 202
    assert theirs.json()["id"] != mine.json()["id"]


async def test_a_client_that_comes_back_at_another_replica_joins_its_stream(
    served: ServedIngress, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    headers = keyed() | {"x-sluice-on-disconnect": "continue"}
    async with reading(clients[0], "POST", CHAT, HANG, headers) as job:
        pass
    async with reading(clients[1], "POST", CHAT, HANG, headers) as again:
        assert again == job
    assert (await clients[0].get(f"{JOBS}/{job}")).json()["status"] == "running"
    await clients[0].post(f"{JOBS}/{job}/cancel")
    await until(lambda: job in served.worker.cancelled, "the worker hears of it")


async def followed_by(served: ServedIngress, job: str, replicas: int) -> None:
    readers = served.worker.writer.keyspace.job(JobId(job)).readers
    async with asyncio.timeout(30):
        while await served.worker.writer.redis.scard(readers) != replicas:
            await asyncio.sleep(0.01)


async def test_a_job_is_cancelled_when_its_chat_client_leaves_and_nobody_else_reads(
    served: ServedIngress, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    async with reading(clients[0], "POST", CHAT, HANG) as job:
        # A reader that came and went is none any more, at whichever replica.
        for client in clients:
            async with reading(client, "GET", f"{JOBS}/{job}/events"):
                pass
        await followed_by(served, job, replicas=1)
        assert job not in served.worker.cancelled
    await until(lambda: job in served.worker.cancelled, "the worker hears of it")


async def test_a_job_that_is_read_at_the_other_replica_goes_on_when_its_chat_client_leaves(
    served: ServedIngress, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    leaving = AsyncExitStack()
    job = await leaving.enter_async_context(reading(clients[0], "POST", CHAT, HANG))
    async with reading(clients[1], "GET", f"{JOBS}/{job}/events"):
        await followed_by(served, job, replicas=2)
        await leaving.aclose()
        await followed_by(served, job, replicas=1)
        # Another one that nobody reads is cancelled meanwhile, by the same replica.
        async with reading(clients[0], "POST", CHAT, HANG) as lonely:
            pass
        await until(lambda: lonely in served.worker.cancelled, "the lonely one is cancelled")
        assert not (await clients[0].get(f"{JOBS}/{job}")).json()["cancel_requested"]
    assert job not in served.worker.cancelled


async def test_a_replica_that_stops_is_no_client_that_leaves(place: Place) -> None:
    async with serving_ingress(place) as served, AsyncExitStack() as clients:
        async with wire(place.settings("stopping"), the_config()) as port:
            url = f"http://127.0.0.1:{port}"
            client = await clients.enter_async_context(httpx.AsyncClient(base_url=url, headers=AUTH, trust_env=False))
            job = await clients.enter_async_context(reading(client, "POST", CHAT, HANG))
        async with served.client() as client:
            shown = (await client.get(f"{JOBS}/{job}")).json()
        assert (shown["status"], shown["cancel_requested"]) == ("running", False)


async def test_reservations_stand_for_their_time_and_tell_neither_key_nor_tenant(place: Place) -> None:
    redis = redis_client(place.redis_url, call_seconds=2)
    keyspace = Keyspace(place.namespace)
    reservations = RedisReservations(redis, keyspace, kept=timedelta(hours=1), clock=utc_now)
    made_at = datetime(2026, 11, 21, 12, 0, 0, 123_000, tzinfo=UTC)
    first, second = (Reservation(new_job_id(), text, made_at, Departure.CONTINUE) for text in ("this", "that"))
    until_then = utc_now() + timedelta(hours=2)
    assert await reservations.recall("acme", "k") is None
    assert await reservations.reserve("acme", "k", first, until=until_then) == first
    assert await reservations.reserve("acme", "k", first, until=until_then) == first
    assert await reservations.reserve("acme", "k", second, until=until_then) == first
    assert await reservations.recall("acme", "k") == first
    assert await reservations.recall("acm", "ek") is None
    (name,) = [name async for name in redis.scan_iter(f"{place.namespace}:repeat:*")]
    assert b"acme" not in name
    assert 2.9 * 3600 < await redis.ttl(name) <= 3 * 3600
    await redis.aclose(close_connection_pool=True)


async def test_reservations_say_when_redis_is_away() -> None:
    redis = redis_client("redis://127.0.0.1:9/0", call_seconds=0.5)
    reservations = RedisReservations(redis, Keyspace("x"), kept=timedelta(hours=1), clock=utc_now)
    with pytest.raises(UnavailableError):
        await reservations.recall("acme", "k")
    reservation = Reservation(new_job_id(), "this", utc_now(), Departure.CANCEL)
    with pytest.raises(UnavailableError):
        await reservations.reserve("acme", "k", reservation, until=utc_now())
    await redis.aclose(close_connection_pool=True)
