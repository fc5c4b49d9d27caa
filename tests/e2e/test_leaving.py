"""Who leaves stops what nobody else waits for, and nothing more: clients of chats, readers of jobs, replicas."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import httpx
import pytest
from openai import AsyncOpenAI

from shared.ids import new_job_id
from simulator import Script
from simulator.served import Served
from tests.suites.platform import Platform, Servers, running_platform
from tests.suites.reader import Reader
from tests.suites.served_ingress import fresh_place
from tests.suites.timing import at_best, soon

CHAT = "/v1/chat/completions"
TOKENS = 100
STORY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Tell me a story."}], "stream": True}
ENDLESS = 10_000
SAGA = STORY | {"model": "endless"}
"""Nobody hears its end: a busy machine may take long until a client has left."""


@pytest.fixture(scope="module")
async def platform(
    kafka_url: str, redis_url: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """Two replicas and a worker, and a provider that says a token every 20 ms."""
    lengths = {"gpt-4o": TOKENS, "endless": ENDLESS}
    scripts = {
        model: Script.model_validate({"tokens": tokens, "gap": 0.02, "first_token": 0.1})
        for model, tokens in lengths.items()
    }
    folder = tmp_path_factory.mktemp("leaving")
    async with fresh_place(kafka_url, redis_url, postgres_url) as place:
        servers = Servers(place.kafka_url, place.redis_url, place.postgres_url)
        async with running_platform(servers, folder, place.namespace, scripts) as platform:
            await platform.start_all("ingress", "ingress", "router_worker", "accounting")
            yield platform


@asynccontextmanager
async def chatting(url: str, key: str, story: dict[str, object] = STORY, **headers: str) -> AsyncIterator[str]:
    """A plain chat stream that has shown something; leaving the block is leaving the chat. Gives the job."""
    async with (
        httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        ) as client,
        client.stream("POST", CHAT, json=story, headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        lines = response.aiter_lines()  # kept: whoever lets go of it closes the connection
        async for line in lines:
            if '"content"' in line:
                break
        yield response.headers["x-sluice-job-id"]


async def shows_deltas(reader: Reader) -> None:
    async with asyncio.timeout(20):
        while "delta" not in reader.types:
            await asyncio.sleep(0.01)


async def served(platform: Platform, job: str) -> Served:
    """The provider's own record of the job's one call, when it is over."""
    async with asyncio.timeout(30):
        while True:
            found = [call for call in platform.simulator.served() if (call.client_request_id or "").startswith(job)]
            if found:
                (call,) = found
                return call
            await asyncio.sleep(0.01)


async def ledger_row(platform: Platform, job: str) -> asyncpg.Record:
    connection = await asyncpg.connect(platform.servers.postgres_url)
    try:
        async with asyncio.timeout(30):
            while (row := await connection.fetchrow("select * from usage_ledger where job_id = $1", job)) is None:
                await asyncio.sleep(0.05)
        return row
    finally:
        await connection.close()


async def test_a_client_that_leaves_a_chat_buys_no_more_tokens(
    platform: Platform, client_of: Callable[[str, str], AsyncOpenAI]
) -> None:
    client = client_of(platform.processes[0].url, platform.keys["acme"])

    async def leave() -> tuple[str, Served, float]:
        stream = await client.chat.completions.create(**STORY)  # type: ignore[call-overload]
        got = 0
        async for _ in stream:
            got += 1
            if got == 40:
                break
        left_at = time.time()
        await stream.close()
        job = stream.response.headers["x-sluice-job-id"]
        call = await served(platform, job)
        return job, call, call.ended_at - left_at

    job, call, seconds = await at_best(leave, lambda left: left[2] < 0.2 and left[1].output_tokens_written <= 50)
    assert call.output_tokens_written <= 50
    assert seconds < 0.2
    row = await ledger_row(platform, job)
    assert (row["status"], row["usage_source"]) == ("cancelled", "partial")
    assert 0 < row["output_tokens"] <= call.output_tokens_written


async def test_a_job_that_is_read_at_another_replica_outlives_its_chat_client(platform: Platform) -> None:
    first, second, *_ = platform.processes
    key = platform.keys["acme"]
    async with chatting(first.url, key) as job:
        reader = Reader([second.url], key, job)
        reading = asyncio.create_task(reader.read())
        await shows_deltas(reader)
    await reading
    assert reader.result["status"] == "succeeded"
    assert (await served(platform, job)).output_tokens_written == TOKENS


async def test_the_last_of_two_who_ask_for_a_job_at_two_replicas_cancels_it(platform: Platform) -> None:
    first, second, *_ = platform.processes

    async def leave() -> float:
        key, once = platform.keys["acme"], {"idempotency-key": new_job_id()}
        async with chatting(second.url, key, SAGA, **once) as job:
            async with chatting(first.url, key, SAGA, **once) as same:
                assert same == job
            async with chatting(first.url, key, SAGA, **once) as still_running:
                assert still_running == job
            left_at = time.time()
        call = await served(platform, job)
        assert call.output_tokens_written < ENDLESS
        assert call.ended_at > left_at - 0.05
        return call.ended_at - left_at

    assert await soon(leave, 0.2)


async def test_a_chat_that_shall_go_on_outlives_its_client(platform: Platform) -> None:
    url, key = platform.processes[0].url, platform.keys["acme"]
    async with chatting(url, key, **{"x-sluice-on-disconnect": "continue"}) as job:
        pass
    assert (await Reader([url], key, job).read()).result["status"] == "succeeded"
    assert (await served(platform, job)).output_tokens_written == TOKENS


async def test_a_replica_that_is_killed_is_no_client_that_leaves(platform: Platform) -> None:
    key = platform.keys["acme"]
    (doomed,) = await platform.start_all("ingress")
    async with AsyncExitStack() as leaving:
        job = await leaving.enter_async_context(chatting(doomed.url, key))
        await doomed.killed()
    assert (await Reader([platform.processes[0].url], key, job).read()).result["status"] == "succeeded"
    assert (await served(platform, job)).output_tokens_written == TOKENS


async def test_a_reader_that_leaves_a_job_stops_nothing(platform: Platform) -> None:
    url, key = platform.processes[0].url, platform.keys["acme"]
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, trust_env=False) as client:
        job = (await client.post(f"{url}/v1/jobs", json=STORY)).json()["id"]
    reader = Reader([url], key, job)
    leaving = asyncio.create_task(reader.read())
    await shows_deltas(reader)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert (await Reader([url], key, job).read()).result["status"] == "succeeded"
    assert (await served(platform, job)).output_tokens_written == TOKENS
