"""Jobs over HTTP without a pause, each read to its end, and all that Kafka says of their results."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle

import httpx
import orjson
from aiokafka import AIOKafkaConsumer

from shared.contracts import JobEnded
from shared.topics import RESULTS
from tests.suites.platform import Platform
from tests.suites.reader import Reader

__all__ = ["Traffic", "running_traffic"]


@dataclass(slots=True)
class Traffic:
    urls: Sequence[str]
    key: str
    model: str
    readers: list[Reader] = field(default_factory=list)
    """Of every job that was accepted."""
    refused: list[int] = field(default_factory=list)
    results: list[JobEnded] = field(default_factory=list)
    _reading: list["asyncio.Task[Reader]"] = field(default_factory=list)

    async def submit_for_ever(self, every_seconds: float) -> None:
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {self.key}"}, timeout=30) as client:
            for number, url in enumerate(cycle(self.urls)):
                await self._submit(client, url, number)
                await asyncio.sleep(every_seconds)

    async def _submit(self, client: httpx.AsyncClient, url: str, number: int) -> None:
        body = {"model": self.model, "messages": [{"role": "user", "content": f"Question {number}"}]}
        answer = await client.post(f"{url}/v1/jobs", json=body)
        if answer.status_code != 202:
            assert answer.status_code == 503, answer.text
            self.refused.append(answer.status_code)
            return
        reader = Reader(self.urls, self.key, answer.json()["id"], drop_after=25 if number % 3 == 0 else None)
        self.readers.append(reader)
        self._reading.append(asyncio.create_task(reader.read()))

    async def accepted(self, count: int, seconds: float = 60) -> None:
        """Wait until so many more jobs are accepted."""
        wanted = len(self.readers) + count
        async with asyncio.timeout(seconds):
            while len(self.readers) < wanted:
                await asyncio.sleep(0.02)

    async def read_to_the_end(self, seconds: float = 60) -> None:
        """Wait until every reader has seen its job's end, and Kafka has told of each."""
        async with asyncio.timeout(seconds):
            await asyncio.gather(*self._reading)
            wanted = {reader.job for reader in self.readers}
            while not wanted <= {result.job_id for result in self.results}:
                await asyncio.sleep(0.02)

    def problems(self) -> list[str]:
        """Whatever is not as it should be: empty when every job succeeded once and every reader saw all of it."""
        found = []
        for reader in self.readers:
            told = {(result.status, result.epoch) for result in self.results if result.job_id == reader.job}
            if told != {("succeeded", reader.result["epoch"])}:
                found.append(f"{reader.job} ended as {told}")
            if reader.ids != sorted(set(reader.ids)):
                found.append(f"{reader.job}: events repeated or out of order: {reader.ids}")
            if reader.text != _answer(reader):
                found.append(f"{reader.job}: {reader.text!r} shown of {_answer(reader)!r}")
        return found


def _answer(reader: Reader) -> str:
    return str(orjson.loads(reader.events[-1].data)["response"]["choices"][0]["message"]["content"])


@asynccontextmanager
async def running_traffic(
    platform: Platform, urls: Sequence[str], model: str, *, every_seconds: float = 0.1
) -> AsyncIterator[Traffic]:
    """Submits as long as the block lasts."""
    traffic = Traffic(urls, platform.keys["acme"], model)
    consumer = AIOKafkaConsumer(
        RESULTS.at(platform.topic_prefix),
        bootstrap_servers=platform.servers.kafka_url,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()

    async def collect() -> None:
        async for record in consumer:
            traffic.results.append(JobEnded.model_validate_json(record.value))

    tasks = [asyncio.create_task(collect()), asyncio.create_task(traffic.submit_for_ever(every_seconds))]
    try:
        yield traffic
        tasks[1].cancel()
        await traffic.read_to_the_end()
    finally:
        for task in (*tasks, *traffic._reading):
            task.cancel()
        await asyncio.gather(*tasks, *traffic._reading, return_exceptions=True)
        await consumer.stop()
