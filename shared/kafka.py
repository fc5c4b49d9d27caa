"""How Sluice talks to Kafka as a whole: its topics exist, its producer loses and repeats nothing."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.codec import has_lz4
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

import shared.kafka_connections  # noqa: F401 - for what it mends
from shared.backoff import Backoff
from shared.kafka_access import KafkaAccess
from shared.topics import TOPICS, Topic, creation_config

__all__ = [
    "REBALANCE_MS",
    "REQUEST_MS",
    "SEND_MS",
    "Difference",
    "TopicsReport",
    "ensure_topics",
    "let_go",
    "new_producer",
    "new_questioner",
    "partition_counts",
    "until_begun",
]

log = structlog.get_logger("kafka")

REQUEST_MS: Final = 15_000
"""How long a consumer's request may go unanswered. A connection whose other end has vanished without a word is given up
after this.
"""

SEND_MS: Final = 5_000
"""As above, of a producer: what waits for Kafka, such as a job's end, waits no longer than this for a connection that
is none. A worker that stops has to have charged before it goes.
"""

_QUESTION_MS: Final = 2_000

REBALANCE_MS: Final = 12_000
"""How long a group waits for members that live to join again. Longer than a session, so that one that died is missed
first; shorter than a request, because joining is one.
"""

_SETTLE_SECONDS: Final = 15.0
_LAST_SECONDS: Final = 1.0
_PATIENCE: Final = Backoff(base_seconds=0.1, cap_seconds=3.0)

_BROKERS_CHOICE: Final = -1
"""As many replicas as the broker's `default.replication.factor` says: one here, three in a cluster."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A topic that exists is never changed: its settings may be an operator's decision."""

    topic: str
    setting: str
    wanted: str
    found: str


@dataclass(frozen=True, slots=True)
class TopicsReport:
    created: tuple[str, ...]
    existing: tuple[str, ...]
    differences: tuple[Difference, ...]


async def ensure_topics(kafka: KafkaAccess | str, prefix: str, topics: Sequence[Topic] = TOPICS) -> TopicsReport:
    """Create the topics that are missing; afterwards all of them exist. Several processes may call it at once.

    A bare URL is a Kafka without security. Blocks for a few round trips. Raises KafkaError when the broker is away or
    refuses, TimeoutError when it does not get them ready.
    """
    wanted = {topic.at(prefix): topic for topic in topics}
    async with AsyncExitStack() as closing:
        admin = AIOKafkaAdminClient(**_client(kafka), client_id="sluice-topics", request_timeout_ms=REQUEST_MS)
        closing.push_async_callback(admin.close)
        await admin.start()
        present = set(await admin.list_topics()) & wanted.keys()
        created = await _create(admin, {name: topic for name, topic in wanted.items() if name not in present})
        existing = {name: topic for name, topic in wanted.items() if name not in created}
        described = await partition_counts(admin, list(wanted))
        differences = await _differences(admin, existing, described) if existing else ()
    return TopicsReport(tuple(created), tuple(existing), differences)


def new_producer(kafka: KafkaAccess | str, client_id: str, *, max_request_bytes: int = 1_048_576) -> AIOKafkaProducer:
    """Not started yet. A record it has acknowledged is on every in-sync replica, once and in order.

    A send may wait longer than any time limit of Kafka's own while the broker is away: the caller sets a deadline,
    and after it the outcome is unknown.
    """
    return AIOKafkaProducer(
        **_client(kafka),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        compression_type="lz4" if has_lz4() else None,
        max_request_size=max_request_bytes,
        request_timeout_ms=SEND_MS,
    )


def new_questioner(kafka: KafkaAccess, client_id: str) -> AIOKafkaAdminClient:
    """Not started yet. For questions whose asker has a deadline, of 3 s or more.

    aiokafka gives up a connection whose other end has vanished when a request on it has timed out, and not when its
    asker has gone: with the usual 40 s, each asker would go before that, and every question after the first one too.
    """
    return AIOKafkaAdminClient(**kafka.client(), client_id=client_id, request_timeout_ms=_QUESTION_MS)


async def until_begun(begin: Callable[[], Awaitable[None]], undo: Callable[[], Awaitable[None]]) -> None:
    """Begin to consume. Waits as long as Kafka is away; what was begun in vain is undone."""
    failures = 0
    while True:
        try:
            await begin()
        except (KafkaError, OSError) as error:
            failures += 1
            log.warning("consumers_wait", reason=repr(error))
            await undo()
            await asyncio.sleep(_PATIENCE.delay(failures, random.random()))  # noqa: S311 - jitter, not a secret
        else:
            return


async def let_go(stopping: Coroutine[Any, Any, None], *, within_seconds: float) -> bool:
    """Wait for a client of Kafka to stop. Never raises; says whether it has ended in good order.

    aiokafka waits for brokers that are away, and raises again what its background tasks have died of: under uvloop that
    may be a RuntimeError, of a connection that was closed under their hands. Some of its waits outlast a cancellation;
    what has not ended a moment after it is left to itself.
    """
    task = asyncio.create_task(stopping, name="let go of a client of Kafka")
    try:
        await asyncio.wait({task}, timeout=within_seconds)
    finally:
        task.cancel()
    await asyncio.wait({task}, timeout=_LAST_SECONDS)
    if not task.done() or task.cancelled():
        log.info("kafka_client_cut_off", reasons=[f"not within {within_seconds:g} s"])
        return False
    in_order = True
    try:
        task.result()
    except* (KafkaError, OSError, RuntimeError) as errors:
        log.info("kafka_client_cut_off", reasons=[repr(error) for error in errors.exceptions])
        in_order = False
    return in_order


def _client(kafka: KafkaAccess | str) -> dict[str, Any]:
    return (KafkaAccess(kafka) if isinstance(kafka, str) else kafka).client()


async def _create(admin: AIOKafkaAdminClient, missing: dict[str, Topic]) -> list[str]:
    if not missing:
        return []
    response = await admin.create_topics(
        [
            NewTopic(
                name, topic.partitions, _BROKERS_CHOICE, replica_assignments={}, topic_configs=creation_config(topic)
            )
            for name, topic in missing.items()
        ]
    )
    created = []
    for name, code, *message in response.topic_errors:
        if code == 0:
            created.append(name)
        elif code != TopicAlreadyExistsError.errno:
            raise for_code(code)(f"topic {name}: {message[0] if message else 'refused'}")
    return created


async def partition_counts(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    """How many partitions each has. A broker learns of a new topic some milliseconds after the controller agreed."""
    async with asyncio.timeout(_SETTLE_SECONDS):
        while True:
            topics = await admin.describe_topics(names)
            if all(topic["error_code"] == 0 for topic in topics):
                return {topic["topic"]: len(topic["partitions"]) for topic in topics}
            await asyncio.sleep(0.02)


async def _differences(
    admin: AIOKafkaAdminClient, existing: dict[str, Topic], partitions: dict[str, int]
) -> tuple[Difference, ...]:
    found = [
        Difference(name, "partitions", str(topic.partitions), str(partitions[name]))
        for name, topic in existing.items()
        if topic.partitions != partitions[name]
    ]
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(creation_config(topic)))
        for name, topic in existing.items()
    ]
    for answer in await admin.describe_configs(resources):
        for resource in answer.to_object()["resources"]:
            settings = {entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]}
            name = resource["resource_name"]
            found += [
                Difference(name, setting, wanted, settings[setting])
                for setting, wanted in creation_config(existing[name]).items()
                if settings.get(setting, wanted) != wanted
            ]
    return tuple(found)
