"""The topics that ingress needs are there, and those that submitters write to are followed."""

import asyncio
import importlib
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

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
from shared.kafka import ensure_topics, new_questioner
from shared.telemetry import Instruments
from shared.topics import Topic, with_submit_topics

if TYPE_CHECKING:
    from services.ingress.adapters.submit_topics import SubmitTopics

__all__ = ["TopicDoor"]

log = structlog.get_logger()

_TOPICS_RETRY_SECONDS: Final = 1.0


class TopicDoor:
    """`run` must run as long as records are to be submitted; it follows what the configuration says of its topics."""

    def __init__(
        self,
        settings: IngressSettings,
        config: Config,
        callers: Callers,
        incidents: Incidents,
        reception: Reception,
        records: KafkaRecords,
        instruments: Instruments,
    ) -> None:
        self.topics_exist = asyncio.Event()
        """Set once all that are the project's own do."""
        self._settings = settings
        self._config = config
        self._callers = callers
        self._incidents = incidents
        self._reception = reception
        self._records = records
        self._instruments = instruments
        self._changed = asyncio.Event()

    def go_by(self, config: Config) -> None:
        """The callers go by it already. What concerns no topic disturbs none."""
        if _terms(config) != _terms(self._config):
            self._changed.set()
        self._config = config

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            following = asyncio.create_task(self._follow(self._config), name="submit topics")
            changed = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait([following, changed], return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    following.result()
            finally:
                # What was read and not committed is read again, and becomes the jobs that it is.
                for task in (following, changed):
                    task.cancel()
                await asyncio.wait([following, changed])

    async def _follow(self, config: Config) -> None:
        await _topics_exist(self._settings, with_submit_topics(config.submit_topics))
        self.topics_exist.set()
        if config.submit_topics:
            # Late, and in a thread: FastStream is a quarter of the start-up time, and the HTTP door need not wait.
            await asyncio.to_thread(importlib.import_module, "faststream.kafka")
            await self._door(config).run()
        await asyncio.Event().wait()

    def _door(self, config: Config) -> "SubmitTopics":
        from services.ingress.adapters.attendance import Attendance
        from services.ingress.adapters.submit_topics import SubmitTopics, Terms, submit_broker

        settings = self._settings
        submitters = Submitters(
            {
                settings.topic_prefix + topic: Binding(
                    self._callers.named(bound.caller) if bound.caller else None, bound.lane
                )
                for topic, bound in config.submit_topics.items()
            },
            self._callers,
            self._incidents,
            counts_for=timedelta(seconds=config.limits.signature_seconds),
            clock=utc_now,
        )
        return SubmitTopics(
            submit_broker(settings.kafka, settings.replica),
            submitters,
            attendance=Attendance(
                new_questioner(settings.kafka, settings.replica),
                f"{settings.namespace}.submissions",
            ),
            terms=Terms(
                # A record cannot be larger than a broker takes, and becomes one again.
                body_bytes=min(config.limits.body_bytes, INLINE_BYTES),
                claims_kept=timedelta(seconds=config.retention.job_log_seconds),
            ),
            reception=self._reception,
            dead_letters=KafkaDeadLetters(self._records, settings.topic_prefix, self._instruments),
            clock=utc_now,
            instruments=self._instruments,
        )


def _terms(config: Config) -> tuple[object, ...]:
    """All that is said of the topics, and of whom they submit as."""
    tenants = [config.tenants[bound.tenant] for bound in config.submit_topics.values() if bound.tenant]
    limits = config.limits
    return (
        config.submit_topics,
        tenants,
        limits.signature_seconds,
        limits.body_bytes,
        config.retention.job_log_seconds,
    )


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
