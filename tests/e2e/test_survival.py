"""Any process may die at any moment: no job, no token and no cent is lost (promises 1 to 3)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import httpx
import pytest

from devstack.stack import Stack, running_stack
from simulator import Script
from tests.suites.platform import Platform, Process, Servers, running_platform
from tests.suites.reader import Reader

SLOW = {"gpt-4o": {"tokens": 100, "gap": 0.02, "first_token": 0.1}}


async def submit(ingress: Process, key: str, *contents: str, **fields: object) -> list[str]:
    """Jobs through the HTTP door; returns their ids."""
    async with httpx.AsyncClient(base_url=ingress.url, headers={"authorization": f"Bearer {key}"}) as client:
        answers = await asyncio.gather(
            *(
                client.post(
                    "/v1/jobs",
                    json={"model": "gpt-4o", "messages": [{"role": "user", "content": content}], **fields},
                )
                for content in contents
            )
        )
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["id"] for answer in answers]


async def shows_deltas(reader: Reader, count: int) -> None:
    async with asyncio.timeout(30):
        while reader.types.count("delta") < count:
            await asyncio.sleep(0.02)


def answer_of(reader: Reader) -> str:
    return reader.result["response"]["choices"][0]["message"]["content"]  # type: ignore[index]


def assert_whole(reader: Reader, reference: Reader) -> None:
    """No event lost, repeated or out of order, and the text is one attempt's."""
    assert reader.ids == sorted(set(reader.ids))
    assert reader.events == [event for event in reference.events if event.id in {e.id for e in reader.events}]
    assert len(reader.events) == len(reference.events)
    assert reader.text == answer_of(reader)


async def test_a_stream_survives_the_death_of_its_worker(start_platform) -> None:
    async with start_platform(SLOW) as platform:
        ingress, doomed, _ = await platform.start_all("ingress", "router_worker", "accounting")
        key = platform.keys["acme"]
        (job,) = await submit(ingress, key, "Tell me a story.")
        reader = Reader([ingress.url], key, job)
        reading = asyncio.create_task(reader.read())
        await shows_deltas(reader, 10)
        await doomed.killed()
        await platform.start_all("router_worker")
        await reading
        assert reader.types.count("restart") == 1
        assert reader.text == answer_of(reader)
        assert reader.ids == sorted(set(reader.ids))
        rows = await ledger_rows(platform, 2)
        by_id = {call.client_request_id: call for call in platform.simulator.served()}
        partial, whole = sorted(rows, key=lambda row: row["attempt_id"])
        assert partial["usage_source"] == "partial"
        assert partial["output_tokens"] <= by_id[partial["attempt_id"]].output_tokens_written
        assert whole["output_tokens"] == by_id[whole["attempt_id"]].output_tokens_reported


async def test_readers_resume_at_another_replica_when_an_ingress_dies(start_platform) -> None:
    async with start_platform(SLOW) as platform:
        first, second, *_ = await platform.start_all("ingress", "ingress", "router_worker", "accounting")
        key = platform.keys["acme"]
        jobs = await submit(first, key, *(f"Question {number}" for number in range(10)))
        readers = [Reader([first.url, second.url], key, job) for job in jobs]
        droppers = [Reader([second.url, first.url], key, job, drop_after=7) for job in jobs]
        reading = [asyncio.create_task(reader.read()) for reader in (*readers, *droppers)]
        for reader in readers:
            await shows_deltas(reader, 5)
        await first.killed()
        await asyncio.gather(*reading)
        for reader, dropper in zip(readers, droppers, strict=True):
            reference = await Reader([second.url], key, reader.job).read()
            assert_whole(reader, reference)
            assert_whole(dropper, reference)
        assert len(platform.simulator.served()) == 10


async def test_accounting_killed_in_the_middle_loses_and_doubles_no_row(start_platform) -> None:
    async with start_platform({"gpt-4o": {"tokens": 5}}) as platform:
        ingress, _, accounting = await platform.start_all("ingress", "router_worker", "accounting")
        for _ in range(3):
            await submit(ingress, platform.keys["acme"], *(f"Question {number}" for number in range(40)))
            os.kill(accounting.leashed.pid, signal.SIGKILL)
            (accounting,) = await platform.start_all("accounting")
        rows = await ledger_rows(platform, 120)
        calls = platform.simulator.served()
        assert len(rows) == len(calls) == 120
        assert sum(row["output_tokens"] for row in rows) == sum(call.output_tokens_reported or 0 for call in calls)
        connection = await asyncpg.connect(platform.servers.postgres_url)
        rolled_up = await connection.fetchrow("select sum(attempts), sum(cost_nanodollars) from usage_hourly")
        await connection.close()
        assert rolled_up[0] == 120
        assert rolled_up[1] == sum(row["cost_nanodollars"] for row in rows)


class TestServersThatDie:
    """These end servers, so they have their own."""

    @pytest.fixture
    async def stack(self, servers_folder: Path) -> AsyncIterator[Stack]:
        kept = {name: os.environ.pop(name, None) for name in ("KAFKA_URL", "REDIS_URL", "POSTGRES_URL")}
        try:
            async with running_stack(servers_folder / "mortal") as stack:
                yield stack
        finally:
            os.environ.update({name: url for name, url in kept.items() if url is not None})

    @pytest.fixture
    def platform_on(self, stack: Stack, tmp_path: Path, fresh_name: Callable[[str], str]):
        urls = Servers(stack.urls.kafka_url, stack.urls.redis_url, stack.urls.postgres_url)

        def start(scripts: dict[str, dict[str, object]]) -> AbstractAsyncContextManager[Platform]:
            played = {model: Script.model_validate(script) for model, script in scripts.items()}
            return running_platform(urls, tmp_path, fresh_name("mortal"), played)

        return start

    async def test_each_server_may_be_killed_and_come_back(self, stack: Stack, platform_on) -> None:
        async with platform_on(SLOW) as platform:
            ingress, *_ = await platform.start_all("ingress", "router_worker", "accounting")
            key = platform.keys["acme"]
            jobs: list[str] = []
            reading: list[asyncio.Task[Reader]] = []
            for server in (stack.kafka, stack.valkey, stack.postgres):
                fresh = await submit(ingress, key, *(f"{server.name} {number}" for number in range(6)))
                jobs += fresh
                readers = [Reader([ingress.url], key, job) for job in fresh]
                reading += [asyncio.create_task(reader.read(90)) for reader in readers]
                for reader in readers:
                    await shows_deltas(reader, 3)
                await server.kill()
                await asyncio.sleep(1)
                await server.start()
                await server.ready()
                await asyncio.gather(*reading)
                await ingress.ready()
            done = [task.result() for task in reading]
            assert {reader.result["status"] for reader in done} == {"succeeded"}
            for reader in done:
                assert reader.ids == sorted(set(reader.ids))
                assert reader.text == answer_of(reader)
            rows = await ledger_rows(platform, 18)
            calls = {call.client_request_id: call for call in platform.simulator.served()}
            assert {row["attempt_id"] for row in rows} == calls.keys()
            assert all(row["output_tokens"] == calls[row["attempt_id"]].output_tokens_reported for row in rows)


async def ledger_rows(platform: Platform, count: int) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(platform.servers.postgres_url)
    try:
        async with asyncio.timeout(40):
            while len(found := await connection.fetch("select * from usage_ledger")) < count:
                await asyncio.sleep(0.1)
        return found
    finally:
        await connection.close()
