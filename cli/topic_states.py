"""How do the topics stand on the broker? What each holds, how long, and how far behind its readers are."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from cli.environment import Known
from cli.kafka import new_admin, new_consumer, told
from shared.topic_reading import Span, all_places, partitions_of, spans_of
from shared.topics import Topic

__all__ = ["TopicState", "topic_states"]

_GROUPS_AT_ONCE: Final = 8

Spans = Mapping[TopicPartition, Span]


@dataclass(frozen=True, slots=True)
class TopicState:
    name: str
    topic: Topic
    partitions: int
    """0 when it does not exist."""
    records: int
    """Those kept, as offsets count them: what a compaction has removed in between is counted too."""
    retention: timedelta | None
    """None: for ever."""
    lag: Mapping[str, int]
    """By consumer group: how many records it has not committed."""


async def topic_states(kafka: Known, topics: Mapping[str, Topic]) -> list[TopicState]:
    """`topics` by their names on the broker. Raises OperatorError."""
    with told(kafka):
        async with new_admin(kafka) as admin, new_consumer(kafka) as consumer:
            partitions = await partitions_of(admin, list(topics))
            spans = await spans_of(consumer, all_places(partitions))
            retention = await _retention(admin, list(partitions))
            committed = await _committed(admin)
    return [
        TopicState(
            name=name,
            topic=topic,
            partitions=partitions.get(name, 0),
            records=sum(span.next - span.first for place, span in spans.items() if place.topic == name),
            retention=retention.get(name, topic.retention),
            lag=_lag({place: span for place, span in spans.items() if place.topic == name}, committed),
        )
        for name, topic in topics.items()
    ]


def _lag(spans: Spans, committed: Mapping[str, Mapping[TopicPartition, int]]) -> dict[str, int]:
    """A partition that a group has not committed yet is all before it, since our groups begin at the beginning."""
    return {
        group: sum(span.next - max(offsets.get(place, 0), span.first) for place, span in spans.items())
        for group, offsets in sorted(committed.items())
        if any(place in offsets for place in spans)
    }


async def _retention(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, timedelta | None]:
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": None}) for name in names]
    found: dict[str, timedelta | None] = {}
    for answer in await admin.describe_configs(asked):
        for resource in answer.to_object()["resources"]:
            for entry in resource["config_entries"]:
                span = int(entry["config_value"])
                found[resource["resource_name"]] = timedelta(milliseconds=span) if span >= 0 else None
    return found


async def _committed(admin: AIOKafkaAdminClient) -> dict[str, dict[TopicPartition, int]]:
    """Of every group there is: other programs read the results too."""
    gate = asyncio.Semaphore(_GROUPS_AT_ONCE)

    async def offsets(group: str) -> dict[TopicPartition, int]:
        async with gate:
            found = await admin.list_consumer_group_offsets(group)
        return {place: at.offset for place, at in found.items() if at.offset >= 0}

    groups = [name for name, *_ in await admin.list_consumer_groups()]
    return dict(zip(groups, await asyncio.gather(*map(offsets, groups)), strict=True))
