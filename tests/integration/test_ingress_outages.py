"""Servers that are away, when ingress starts or later: it says which, refuses what it cannot keep, loses none."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest
import yaml
from aiokafka import AIOKafkaConsumer

from devstack.leash import Leashed, leashed
from devstack.server import Server
from devstack.stack import Stack, running_stack
from services.accounting.ledger.engine import engine_for
from services.accounting.migrations import migrate
from shared.contracts import Job
from shared.topics import JOBS
from tests.suites.ingress import ADMIN, AUTH, chat_body
from tests.suites.served_ingress import the_config


@dataclass(slots=True)
class Ingress:
    process: Leashed
    url: str
    log: Path

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=AUTH, timeout=20, trust_env=False)

    def told(self, event: str) -> list[dict[str, object]]:
        lines = [orjson.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    async def tells_of_all(self, event: str) -> None:
        async with asyncio.timeout(30):
            while {line["server"] for line in self.told(event)} != {"kafka", "redis", "postgres"}:
                await asyncio.sleep(0.05)

    async def readiness(self) -> dict[str, str]:
        """What is missing, and why; empty when it is ready."""
        async with self.client() as client:
            answer = await client.get("/readyz")
        assert answer.headers.get("content-type") == "application/json", (answer, answer.headers, answer.text)
        assert answer.status_code == (503 if answer.json()["missing"] else 200)
        missing: dict[str, str] = answer.json()["missing"]
        return missing

    async def misses(self, *servers: str) -> None:
        async def exactly_these() -> bool:
            try:
                return (await self.readiness()).keys() == {*servers}
            except httpx.TransportError:
                return False

        await until(exactly_these, f"exactly {servers} are missing")


async def until(holds: Callable[[], Awaitable[bool]], what: str, seconds: float = 30) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


@pytest.fixture(scope="module")
async def stack(servers_folder: Path) -> AsyncIterator[Stack]:
    """Servers of this module's own, for it ends them."""
    async with running_stack(servers_folder / "mortal-of-ingress", environ={}) as stack:
        engine = engine_for(stack.urls.postgres_url)
        await migrate(engine)
        await engine.dispose()
        yield stack


@asynccontextmanager
async def started(stack: Stack, folder: Path, **env: str) -> AsyncIterator[Ingress]:
    config = folder / "sluice.yaml"
    config.write_text(yaml.safe_dump(the_config().model_dump(mode="json", exclude_defaults=True)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings: Mapping[str, str] = {
        "KAFKA_URL": stack.urls.kafka_url,
        "REDIS_URL": stack.urls.redis_url,
        "POSTGRES_URL": stack.urls.postgres_url,
        "SLUICE_CONFIG": str(config),
        "SLUICE_INGRESS_PORT": str(port),
        "SLUICE_SUBMIT_SECONDS": "1",
        "SLUICE_REDIS_SECONDS": "0.5",
        "SLUICE_POSTGRES_SECONDS": "1",
        "SLUICE_DRAIN_SECONDS": "1",
    }
    log = folder / "ingress.log"
    process = await leashed([sys.executable, "-m", "services.ingress"], env={**os.environ, **settings, **env}, log=log)
    try:
        yield Ingress(process, f"http://127.0.0.1:{port}", log)
    finally:
        process.kill()
        await process.wait()


@pytest.fixture(scope="module")
async def ingress(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ingress]:
    async with started(stack, tmp_path_factory.mktemp("ingress")) as ingress:
        await ingress.misses()
        yield ingress


@asynccontextmanager
async def without(*servers: Server) -> AsyncIterator[None]:
    for server in servers:
        await server.kill()
    try:
        yield
    finally:
        for server in servers:
            await server.start()
        for server in servers:
            await server.ready()


def refused_for_now(answer: httpx.Response, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, code)
    assert answer.json()["error"]["type"] == "server_error"
    assert int(answer.headers["retry-after"]) > 0


async def queued(stack: Stack) -> list[str]:
    """The ids of all jobs on the topics."""
    topics = [topic.name for topic in JOBS.values()]
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=stack.urls.kafka_url, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found: list[str] = []
        while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [Job.model_validate_json(record.value).id for record in records]
    finally:
        await consumer.stop()
    return found


async def test_servers_that_are_away_at_the_start_are_named_waited_for_and_found(stack: Stack, tmp_path: Path) -> None:
    async with AsyncExitStack() as staying:
        async with without(*stack.servers):
            ingress = await staying.enter_async_context(started(stack, tmp_path))
            await ingress.misses("kafka", "redis", "postgres")
            async with ingress.client() as client:
                assert (await client.get("/livez")).status_code == 200
                assert (await client.get("/v1/models")).status_code == 200
                refused_for_now(await client.post("/v1/jobs", content=chat_body()), "kafka_unavailable")
                refused_for_now(await client.post("/v1/chat/completions", content=chat_body()), "redis_unavailable")
                refused_for_now(await client.get("/v1/jobs"), "postgres_unavailable")
            await ingress.tells_of_all("waiting_for_server")
            told = [str(line["reason"]) for line in ingress.told("waiting_for_server")]
            assert all("127.0.0.1" in reason or "refused" in reason for reason in told)
            assert "Traceback" not in ingress.log.read_text()
        await ingress.misses()
        await ingress.tells_of_all("server_reachable")
        async with ingress.client() as client:
            assert (await client.post("/v1/jobs", content=chat_body())).status_code == 202
            assert (await client.get("/v1/jobs")).status_code == 200


async def test_it_can_be_stopped_while_it_waits_for_its_servers(stack: Stack, tmp_path: Path) -> None:
    nowhere = "127.0.0.1:9"
    urls = {"KAFKA_URL": nowhere, "REDIS_URL": f"redis://{nowhere}/0", "POSTGRES_URL": f"postgresql://{nowhere}/x"}
    async with started(stack, tmp_path, **urls) as ingress:
        await ingress.misses("kafka", "redis", "postgres")
        os.kill(ingress.process.pid, signal.SIGTERM)
        assert await asyncio.wait_for(ingress.process.wait(), 30) == 0


async def test_while_kafka_is_away_nothing_is_accepted_and_what_was_is_not_lost(stack: Stack, ingress: Ingress) -> None:
    accepted: list[str] = []
    refused: list[httpx.Response] = []
    stop = asyncio.Event()

    async def submit(client: httpx.AsyncClient) -> None:
        while not stop.is_set():
            answer = await client.post("/v1/jobs", content=chat_body())
            if answer.status_code == 202:
                accepted.append(answer.json()["id"])
            else:
                refused.append(answer)
                await asyncio.sleep(0.1)

    async def many_accepted() -> bool:
        return len(accepted) > before + 20

    async def many_refused() -> bool:
        return len(refused) > 20

    earlier = set(await queued(stack))
    async with ingress.client() as client, asyncio.TaskGroup() as submitting:
        for _ in range(8):
            submitting.create_task(submit(client))
        before = 0
        await until(many_accepted, "jobs are accepted")
        async with without(stack.kafka):
            await until(many_refused, "jobs are refused")
            await ingress.misses("kafka")
            lines = b"\n".join([chat_body()] * 3)
            jsonl = await client.post("/v1/jobs", content=lines, headers={"content-type": "application/jsonl"})
            assert [orjson.loads(line)["status"] for line in jsonl.text.splitlines()] == ["refused"] * 3
            refused_for_now(await client.post("/v1/chat/completions", content=chat_body()), "kafka_unavailable")
        await ingress.misses()
        before = len(accepted)
        await until(many_accepted, "jobs are accepted again")
        stop.set()
    for answer in refused:
        refused_for_now(answer, answer.json()["error"]["code"])
    assert {answer.json()["error"]["code"] for answer in refused} <= {"kafka_unavailable", "queue_unconfirmed"}
    found = await queued(stack)
    assert len(found) == len(set(found))
    assert set(accepted) <= set(found)
    # What arrived although nobody could confirm it was withdrawn: no worker will run it.
    async with ingress.client() as client:
        for job in set(found) - set(accepted) - earlier:
            shown = await client.get(f"/v1/jobs/{job}")
            assert shown.status_code == 404 or shown.json()["cancel_requested"]


async def test_while_redis_is_away_jobs_are_accepted_and_told_of_later(stack: Stack, ingress: Ingress) -> None:
    async with ingress.client() as client:
        known = (await client.post("/v1/jobs", content=chat_body())).headers["location"]
        async with without(stack.valkey):
            await ingress.misses("redis")
            refused_for_now(
                await client.post("/v1/chat/completions", content=chat_body(stream=True)), "redis_unavailable"
            )
            refused_for_now(await client.get(f"{known}/events"), "redis_unavailable")
            refused_for_now(await client.post(f"{known}/cancel"), "redis_unavailable")
            accepted = await client.post("/v1/jobs", content=chat_body(user="meanwhile"))
            assert accepted.status_code == 202
            refused_for_now(await client.get(accepted.headers["location"]), "redis_unavailable")
        await ingress.misses()

        async def known_now() -> bool:
            return (await client.get(accepted.headers["location"])).status_code == 200

        await until(known_now, "the log is told of the job")
    assert accepted.json()["id"] in await queued(stack)


async def test_while_postgres_is_away_known_keys_work_and_others_are_told_to_come_again(
    stack: Stack, ingress: Ingress
) -> None:
    async with httpx.AsyncClient(base_url=ingress.url, timeout=20, trust_env=False) as client:
        await client.post("/admin/v1/tenants", json={"tenant": "globex"}, headers=ADMIN)
        made = [
            (await client.post("/admin/v1/keys", json={"tenant": "globex"}, headers=ADMIN)).json() for _ in range(3)
        ]
        known, unknown, revoked = ({"authorization": f"Bearer {key['key']}"} for key in made)
        assert (await client.get("/v1/models", headers=revoked)).status_code == 200
        await client.post(f"/admin/v1/keys/{made[2]['id']}/revoke", headers=ADMIN)

        async def heard_of_all() -> bool:
            """Ingress hears of changes in their order: of the last one last, and what has changed it looks up anew."""
            return (await client.get("/v1/models", headers=revoked)).status_code == 401

        await until(heard_of_all, "the revocation is known")
        assert (await client.get("/v1/models", headers=known)).status_code == 200
        async with without(stack.postgres):
            await ingress.misses("postgres")
            assert (await client.get("/v1/models", headers=known)).status_code == 200
            assert (await client.get("/v1/models", headers=AUTH)).status_code == 200
            refused_for_now(await client.get("/v1/models", headers=unknown), "postgres_unavailable")
            refused_for_now(
                await client.post("/admin/v1/tenants", json={"tenant": "initech"}, headers=ADMIN),
                "postgres_unavailable",
            )
        await ingress.misses()
        assert (await client.get("/v1/models", headers=unknown)).status_code == 200


async def test_while_postgres_is_away_only_the_archive_is(stack: Stack, ingress: Ingress) -> None:
    async with ingress.client() as client:
        async with without(stack.postgres):
            await ingress.misses("postgres")
            accepted = await client.post("/v1/jobs", content=chat_body())
            assert accepted.status_code == 202
            assert (await client.get(accepted.headers["location"])).json()["status"] == "queued"
            assert (await client.post(f"{accepted.headers['location']}/cancel")).json()["cancel_requested"]
            refused_for_now(await client.get("/v1/jobs"), "postgres_unavailable")
            refused_for_now(await client.get(f"/v1/jobs/job_{'0' * 12}7{'0' * 3}8{'0' * 15}"), "postgres_unavailable")
        await ingress.misses()
        assert (await client.get("/v1/jobs")).status_code == 200
