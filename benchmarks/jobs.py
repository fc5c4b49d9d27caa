"""Batch jobs of a benchmark: queued as a file of lines, and what the results topic tells of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer

from benchmarks.system import System
from shared.contracts import JobEnded
from shared.topics import RESULTS

__all__ = ["Results", "listening", "queue"]


@dataclass(slots=True)
class Results:
    """What the results topic has told so far."""

    by_id: dict[str, JobEnded] = field(default_factory=dict)

    async def of(self, jobs: Sequence[str], seconds: float = 120) -> list[JobEnded]:
        async with asyncio.timeout(seconds):
            while not all(job in self.by_id for job in jobs):
                await asyncio.sleep(0.02)
        return [self.by_id[job] for job in jobs]


async def queue(system: System, tenant: str, lines: Sequence[bytes]) -> list[str]:
    """As one JSONL request; the ids of its jobs."""
    headers = {"authorization": f"Bearer {system.keys[tenant]}", "content-type": "application/jsonl"}
    timeout = aiohttp.ClientTimeout(total=600)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(f"{system.ingress_url}/v1/jobs", data=b"\n".join(lines), headers=headers) as response,
    ):
        answers = [orjson.loads(line) for line in (await response.read()).splitlines()]
    refused = [answer for answer in answers if answer["status"] != "queued"]
    if refused:
        raise RuntimeError(f"{len(refused)} of {len(lines)} lines were refused: {refused[0]}")
    return [answer["id"] for answer in answers]


@asynccontextmanager
async def listening(system: System) -> AsyncIterator[Results]:
    results = Results()
    consumer = AIOKafkaConsumer(RESULTS.at(""), bootstrap_servers=system.kafka_url, auto_offset_reset="earliest")
    await consumer.start()

    async def listen() -> None:
        async for record in consumer:
            ended = JobEnded.model_validate_json(record.value)
            results.by_id[ended.job_id] = ended

    task = asyncio.create_task(listen())
    try:
        yield results
    finally:
        task.cancel()
        await asyncio.wait([task])
        await consumer.stop()
