"""Where ingress puts an accepted job on a real broker: on its tenant's partitions, or in a tier until it may begin."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from shared.contracts import Job, Lane
from shared.sharding import partitions_of
from shared.topics import JOBS_BATCH, TIERS, Topic
from tests.suites.ingress import CHAT, chat_body
from tests.suites.served_ingress import ServedIngress, fresh_place, serving_ingress


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    async with fresh_place(kafka_url, redis_url, postgres_url) as place, serving_ingress(place) as served:
        yield served


async def records(served: ServedIngress, topic: Topic, count: int) -> list[ConsumerRecord]:
    """The last so many of the topic, once they are there."""
    async with (
        asyncio.timeout(20),
        AIOKafkaConsumer(
            topic.at(served.place.topic_prefix),
            bootstrap_servers=served.place.kafka_url,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer,
    ):
        return [await consumer.getone() for _ in range(count)]


async def test_a_tenants_batch_stands_on_its_own_partitions(served: ServedIngress) -> None:
    lines = b"\n".join(orjson.dumps({"body": CHAT | {"user": str(number)}}) for number in range(40))
    async with served.client() as client:
        answer = await client.post("/v1/jobs", content=lines, headers={"content-type": "application/jsonl"})
    assert answer.status_code == 202
    placed = await records(served, JOBS_BATCH, 40)
    assert {record.partition for record in placed} == set(partitions_of("acme", JOBS_BATCH.partitions, 2))


async def test_a_scheduled_job_waits_in_a_tier_and_is_shown_as_queued(served: ServedIngress) -> None:
    begins = (datetime.now(UTC) + timedelta(minutes=5)).replace(microsecond=0)
    async with served.client() as client:
        answer = await client.post("/v1/jobs", content=chat_body(not_before=begins.isoformat()))
        shown = (await client.get(answer.headers["location"])).json()
    (record,) = await records(served, TIERS[1].topic, 1)  # a minute is the longest that lets it out in time
    job = Job.model_validate_json(record.value)
    assert (job.id, job.not_before, job.lane) == (shown["id"], begins, Lane.INTERACTIVE)
    assert "not_before" not in job.body
    assert (shown["status"], shown["not_before"]) == ("queued", begins.timestamp())
    assert shown["expires_at"] == shown["not_before"] + 600


async def test_a_submitted_record_is_scheduled_by_its_header(served: ServedIngress) -> None:
    begins = datetime.now(UTC) + timedelta(hours=2)
    await served.publish(chat_body(), headers=[("sluice-not-before", begins.isoformat().encode())])
    (record,) = await records(served, TIERS[-1].topic, 1)
    assert Job.model_validate_json(record.value).not_before == begins
