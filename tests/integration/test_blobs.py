"""Requests and answers that no Kafka record carries, through real processes, some of which are killed."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import orjson
import pytest
from redis.asyncio import Redis

from shared.blobs import Sweeper, open_blobs
from shared.clock import utc_now
from shared.ids import new_id
from shared.topics import JOBS_INTERACTIVE, RESULTS
from simulator import Script
from tests.suites.platform import Platform, Process, Servers, running_platform
from tests.suites.reader import Reader
from tests.suites.records import records_of

PICTURE = base64.b64encode(random.Random(7).randbytes(15_000_000)).decode()
"""Twenty megabytes that no compression makes smaller."""
MESSAGES = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
        ],
    }
]


SCRIPTS = {
    "quick": Script.model_validate({"tokens": 20}),
    "halting": Script.model_validate({"tokens": 100, "gap": 0.02, "stall_after": 10, "first": 1}),
    "author": Script.model_validate({"tokens": 250_000}),
}


@dataclass(slots=True)
class Site:
    """One of each process. Who kills one puts another in its place."""

    platform: Platform
    ingress: Process
    worker: Process

    def client(self, ingress: Process | None = None) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.platform.keys['acme']}"}
        return httpx.AsyncClient(base_url=(ingress or self.ingress).url, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
async def site(
    kafka_url: str, redis_url: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    name = new_id("blobs")
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f'create database "{name}"')
    servers = Servers(kafka_url, redis_url, urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}")))
    async with running_platform(servers, tmp_path_factory.mktemp("blobs"), name, SCRIPTS) as platform:
        ingress, worker, _ = await platform.start_all("ingress", "router_worker", "accounting")
        yield Site(platform, ingress, worker)
    await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()


async def test_twenty_megabytes_reach_the_provider_unchanged_and_no_record_grows(site: Site) -> None:
    async with site.client() as client:
        answer = await client.post("/v1/chat/completions", json={"model": "quick", "messages": MESSAGES})
        job = answer.headers["x-sluice-job-id"]
        shown = (await client.get(f"/v1/jobs/{job}")).json()
    assert answer.status_code == 200, answer.text
    assert shown["status"] == "succeeded"
    assert picture_served(site.platform, job) == [PICTURE]
    assert max(map(len, await records_of(site.platform, JOBS_INTERACTIVE))) < 5000


async def test_a_worker_that_dies_with_a_large_job_is_followed_by_one_that_has_it_all(site: Site) -> None:
    async with site.client() as client:
        answer = await client.post("/v1/jobs", json={"model": "halting", "messages": MESSAGES})
    job = answer.json()["id"]
    reader = Reader([site.ingress.url], site.platform.keys["acme"], job)
    reading = asyncio.create_task(reader.read())
    async with asyncio.timeout(30):
        while reader.types.count("delta") < 5:
            await asyncio.sleep(0.02)
    await site.worker.killed()
    (site.worker,) = await site.platform.start_all("router_worker")
    await reading
    assert reader.result["status"] == "succeeded"
    assert picture_served(site.platform, job) == [PICTURE, PICTURE]


async def test_an_answer_that_no_record_carries_is_read_whole_everywhere(site: Site) -> None:
    async with site.client() as client:
        body = {"model": "author", "messages": [{"role": "user", "content": "Write a book."}]}
        answer = await client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text[:1000]
        job = answer.headers["x-sluice-job-id"]
        shown = (await client.get(f"/v1/jobs/{job}")).json()
        await forgotten(site.platform, job)
        archived = await until_shown(client, job)
    assert len(answer.json()["choices"][0]["message"]["content"]) > 1_000_000
    assert shown["response"] == answer.json()
    assert archived["response"] == answer.json()
    assert max(map(len, await records_of(site.platform, RESULTS))) < 5000


async def test_a_body_that_is_not_in_the_store_fails_its_job_and_says_why(site: Site, tmp_path: Path) -> None:
    stranger = await site.platform.start("ingress", SLUICE_BLOBS_URL=str(tmp_path / "elsewhere"))
    await stranger.ready()
    calls = len(site.platform.simulator.served())
    async with site.client(stranger) as client:
        answer = await client.post("/v1/chat/completions", json={"model": "quick", "messages": MESSAGES})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "request_body_lost")
    assert "share one store" in answer.json()["error"]["message"]
    assert len(site.platform.simulator.served()) == calls
    await stranger.killed()


async def test_an_ingress_killed_with_a_body_in_its_hands_leaves_nothing_for_ever(site: Site) -> None:
    """Killed the moment the body is in the store: its job is queued and runs, or the body is nobody's and goes."""
    before = set(bodies(site.platform))
    async with site.client() as client:
        asking = asyncio.create_task(client.post("/v1/jobs", json={"model": "quick", "messages": MESSAGES}))
        async with asyncio.timeout(30):
            while not (left := set(bodies(site.platform)) - before):
                await asyncio.sleep(0.001)
        await site.ingress.killed()
        await asyncio.wait({asking})
    (site.ingress,) = await site.platform.start_all("ingress")
    job = left.pop().parent.name
    async with site.client() as client, asyncio.timeout(30):
        while (found := await client.get(f"/v1/jobs/{job}")).json().get("status") in ("queued", "running"):
            await asyncio.sleep(0.05)
    assert found.status_code == 404 or found.json()["status"] == "succeeded"
    blobs = open_blobs(str(site.platform.blobs))
    assert await Sweeper(blobs, utc_now).sweep() == 0
    assert await Sweeper(blobs, lambda: utc_now() + timedelta(hours=3)).sweep() == len(before) + 1
    assert bodies(site.platform) == []


def picture_served(platform: Platform, job: str) -> list[str]:
    """The pictures of all calls for a job, as the provider got them."""
    calls = [call.client_request_id or "" for call in platform.simulator.served()]
    requests = [platform.simulator.request(call) for call in calls if job.removeprefix("job_") in call]
    contents = [orjson.loads(request.body) for request in requests if request is not None]
    return [content["messages"][0]["content"][1]["image_url"]["url"].partition(",")[2] for content in contents]


def bodies(platform: Platform) -> list[Path]:
    return [path for path in platform.blobs.rglob("request") if path.is_file()]


async def forgotten(platform: Platform, job: str) -> None:
    """Its log and its claim expire."""
    async with Redis.from_url(platform.servers.redis_url) as redis:
        async for key in redis.scan_iter(f"{platform.name}:*{job}*"):
            await redis.delete(key)


async def until_shown(client: httpx.AsyncClient, job: str) -> dict[str, object]:
    """As soon as accounting has recorded its end."""
    async with asyncio.timeout(60):
        while (found := await client.get(f"/v1/jobs/{job}")).json().get("status") != "succeeded":
            await asyncio.sleep(0.05)
    whole: dict[str, object] = found.json()
    return whole
