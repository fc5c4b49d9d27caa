"""The topics that ingress needs are there, and those that submitters write to are followed."""

import asyncio
import importlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from services.ingress.adapters.kafka_queue import KafkaDeadLetters
from services.ingress.adapters.kafka_records import KafkaRecords
from services.ingress.callers import Callers
from services.ingress.incidents import Incidents
from services.ingress.reception import Reception
from services.ingress.settings import IngressSettings
from services.ingress.submitters import Binding, Submitters
from shared.blobs import INLINE_BYTES
from shared.clock import utc_now
from shared.config.schema import Config
from shared.kafka import ensure_topics
from shared.telemetry import Instruments
from shared.topics import Topic, with_submit_topics

__all__ = ["topic_door"]

log = structlog.get_logger()

_TOPICS_RETRY_SECONDS: Final = 1.0


async def topic_door(
    settings: IngressSettings,
    config: Config,
    callers: Callers,
    incidents: Incidents,
    reception: Reception,
    records: KafkaRecords,
    topics_exist: asyncio.Event,
    instruments: Instruments,
) -> None:
    """Until cancelled: the project's topics exist, and those that submitters write to are followed."""
    await _topics_exist(settings, with_submit_topics(config.submit_topics))
    topics_exist.set()
    if not config.submit_topics:
        return
    # Late, and in a thread: FastStream is a quarter of the start-up time, and the HTTP door need not wait for it.
    await asyncio.to_thread(importlib.import_module, "faststream.kafka")
    from aiokafka.admin import AIOKafkaAdminClient

    from services.ingress.adapters.attendance import Attendance
    from services.ingress.adapters.submit_topics import SubmitTopics, Terms, submit_broker

    submitters = Submitters(
        {
            settings.topic_prefix + topic: Binding(callers.named(bound.caller) if bound.caller else None, bound.lane)
            for topic, bound in config.submit_topics.items()
        },
        callers,
        incidents,
        counts_for=timedelta(seconds=config.limits.signature_seconds),
        clock=utc_now,
    )
    door = SubmitTopics(
        submit_broker(settings.kafka, settings.replica),
        submitters,
        attendance=Attendance(
            AIOKafkaAdminClient(**settings.kafka.client(), client_id=settings.replica),
            f"{settings.namespace}.submissions",
        ),
        terms=Terms(
            # A record cannot be larger than a broker takes, and becomes one again.
            body_bytes=min(config.limits.body_bytes, INLINE_BYTES),
            claims_kept=timedelta(seconds=config.retention.job_log_seconds),
        ),
        reception=reception,
        dead_letters=KafkaDeadLetters(records, settings.topic_prefix, instruments),
        clock=utc_now,
        instruments=instruments,
    )
    await door.run()


async def _topics_exist(settings: IngressSettings, topics: Sequence[Topic]) -> None:
    while True:
        try:
            report = await ensure_topics(settings.kafka, settings.topic_prefix, topics)
        except (KafkaError, OSError, TimeoutError) as error:
            # That Kafka is away, the producer tells.
            log.debug("topics_not_seen", reason=repr(error))
            await asyncio.sleep(_TOPICS_RETRY_SECONDS)
        else:
            for difference in report.differences:
                log.warning(
                    "topic_differs",
                    topic=difference.topic,
                    setting=difference.setting,
                    wanted=difference.wanted,
                    found=difference.found,
                )
            return
