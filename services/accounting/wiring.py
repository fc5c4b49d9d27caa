"""Who is who in accounting. From top to bottom it is the deployment diagram, from bottom to top the shutdown."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from faststream.kafka import KafkaBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.auditing.nightly import Nightly, Resting
from services.accounting.auditing.opening import OwnConnections
from services.accounting.budgets.alerts import Alerts, Ear, KafkaEar, LogEar
from services.accounting.budgets.arrivals import Arrivals
from services.accounting.budgets.beginning import Beginning
from services.accounting.budgets.noted import Noted
from services.accounting.budgets.redis_books import RedisBooks
from services.accounting.budgets.settling import Patience, Settling
from services.accounting.charging import Entry, enter
from services.accounting.consumption.dead_letters import KafkaDeadLetters
from services.accounting.consumption.intake import Intake, Source
from services.accounting.consumption.reading import read_end, read_job, read_usage
from services.accounting.health import Health, Line
from services.accounting.ledger.agreement import consumed
from services.accounting.ledger.alert_store import PostgresAlerts
from services.accounting.ledger.audit_store import PostgresAudits
from services.accounting.ledger.budget_rules import PostgresRules
from services.accounting.ledger.budget_store import PostgresBudgets
from services.accounting.ledger.engine import dispose, engine_for, failures_told, ping
from services.accounting.ledger.job_store import PostgresJobs
from services.accounting.ledger.months import LedgerMonths
from services.accounting.ledger.usage_store import PostgresLedger
from services.accounting.meters import InstrumentedMeter
from services.accounting.migrations import at_home, migrate
from services.accounting.ports import Added, AwayError, Consumed, Place, Reach, UnstorableError
from services.accounting.record import Keep, Recording
from services.accounting.settings import Settings
from shared.blobs import Sweeper, open_blobs
from shared.budgets import all_rules_of
from shared.clock import utc_now
from shared.config import Config
from shared.config.watching import ConfigFile, ConfigWatch
from shared.contracts import JobEnded
from shared.errors import OperatorError
from shared.job_log import Keyspace
from shared.kafka import ensure_topics, let_go, new_questioner, until_begun
from shared.kafka_broker import broker_for
from shared.lifecycle import Startup
from shared.prices import PriceBook
from shared.prices.current import CurrentPrices
from shared.prices.genai import price_book
from shared.redis import is_clustered, redis_client
from shared.telemetry.instruments import Instruments
from shared.telemetry.metrics import JOB_EVENTS, RESULT_EVENTS, USAGE_EVENTS, Count
from shared.telemetry.probes import serving_probes
from shared.topics import ALERTS, JOBS, RESULTS, USAGE, Topic

__all__ = ["Accounting", "wire"]

log = structlog.get_logger("accounting")

M = TypeVar("M")

_CLIENT: Final = "sluice-accounting"
_GRACE_SECONDS: Final = 10
"""How long the batches in hand may take to end after SIGTERM; whatever does not is taken again at the next start."""

_REDIS_SECONDS: Final = 5.0
_LONGEST_MIGRATION_SECONDS: Final = 3600.0

_STOP_SECONDS: Final = _GRACE_SECONDS + 5


@dataclass(frozen=True, slots=True)
class Accounting:
    """Accounting that is recording; it stops when its block is left."""

    probe_port: int
    background: asyncio.Task[None]
    """Runs as long as the service; when it ends by itself, something is broken and the process must end."""


@asynccontextmanager
async def wire(settings: Settings, config: Config, stop: asyncio.Event) -> AsyncIterator[Accounting]:
    instruments = Instruments("accounting")
    async with AsyncExitStack() as stack:
        startup = Startup(stop)
        health = Health(startup, instruments)
        port = await stack.enter_async_context(
            serving_probes(
                settings.probe_port,
                instruments.registry,
                ready=health.ready,
                live=health.live,
                host=settings.probe_host,
            )
        )
        engine = engine_for(settings.postgres_url)
        stack.push_async_callback(dispose, engine)
        await startup.reach("postgres", lambda: ping(engine))
        if settings.migrate_at_start:
            await _written(startup, engine, lambda: migrate(engine))
        months = LedgerMonths(engine, config.retention.ledger_months, utc_now)
        await months.look_once()
        await startup.reach("kafka", lambda: ensure_topics(settings.kafka, settings.topic_prefix))
        admin = new_questioner(settings.kafka, _CLIENT)
        stack.push_async_callback(_let_go, admin.close)
        await startup.reach("kafka", admin.start)

        rules = PostgresRules(engine)
        try:
            await _written(startup, engine, lambda: rules.write(all_rules_of(config)))
        except UnstorableError as error:
            raise OperatorError(f"budgets in {settings.config_path}: {error}") from error
        broker = broker_for(settings.kafka, _CLIENT, graceful_timeout=_GRACE_SECONDS)
        prices = CurrentPrices(price_book(config))
        redis = redis_client(settings.redis_url, call_seconds=_REDIS_SECONDS)
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        books = RedisBooks(redis, Keyspace(settings.namespace, clustered=is_clustered(redis)))
        noted = Noted()
        shelf, partial_answers = PostgresJobs(engine, config.retention), config.partial_answers
        lines = _lines(settings, instruments, broker, engine, shelf, prices, partial_answers, noted)
        arrivals = _arrivals(settings, engine, lines)
        settling = Settling(
            PostgresBudgets(engine),
            books,
            noted,
            arrivals.complete,
            utc_now,
            Patience(reopen=settings.budget_reopen_seconds),
        )
        beginning = Beginning(rules)
        ears = partial(_ears, settings.topic_prefix, broker)
        alerts = Alerts(PostgresAlerts(engine), ears(config))
        night_books = OwnConnections(settings.postgres_url, settings.kafka, settings.topic_prefix, books.read, Resting)
        nightly = Nightly(PostgresAudits(engine), night_books.open, config.audit.at, instruments, utc_now)
        stack.push_async_callback(_let_go, broker.stop)
        stack.push_async_callback(_closed, lines)
        await startup.begin("kafka", until_begun(broker.start, lambda: _let_go(broker.stop)))
        watch = health.watch(lines, admin, lambda: ping(engine))

        changes = _Changes(prices, partial_answers, shelf, months, nightly, beginning, alerts, ears)
        rereading = ConfigWatch(ConfigFile(settings.config_path, os.environ), config, changes.take, instruments)
        sweeper = Sweeper(open_blobs(settings.blobs_url), utc_now)
        rounds = (
            watch,
            rereading.run(),
            sweeper.run(),
            months.run(),
            beginning.run(),
            settling.run(),
            alerts.run(),
            nightly.run(),
        )
        background = asyncio.create_task(_background(lines, rounds), name="background")
        stack.push_async_callback(_cancelled, background)
        log.info("accounting_ready", probe_port=port)
        yield Accounting(port, background)


def _lines(
    settings: Settings,
    instruments: Instruments,
    broker: KafkaBroker,
    engine: AsyncEngine,
    shelf: PostgresJobs,
    prices: PriceBook,
    partial_answers: Mapping[str, str],
    noted: Noted,
) -> tuple[Line, ...]:
    ledger, dead_letters = PostgresLedger(engine), KafkaDeadLetters(broker, settings.topic_prefix)

    def read_charged(value: bytes) -> Entry:
        return enter(read_usage(value), prices, partial_answers)

    async def add(entries: Sequence[Entry], consumed: Consumed) -> Added:
        added = await ledger.add(entries, consumed)
        noted.note((entry.tenant, entry.job_id) for entry in entries)
        return added

    async def end(ended: Sequence[JobEnded], consumed: Consumed) -> Added:
        added = await shelf.end(ended, consumed)
        noted.note((each.tenant, each.job_id) for each in ended)
        return added

    def line(source: Source, read: Callable[[bytes], M], keep: Keep[M], events: Count) -> Line:
        async def keep_at_home(messages: Sequence[M], consumed: Consumed) -> Added:
            async with at_home(engine):
                return await keep(messages, consumed)

        meter = InstrumentedMeter(instruments, events, source.name, utc_now)
        recording = Recording(
            read=read,
            keep=keep_at_home,
            dead_letters=dead_letters,
            meter=meter,
            clock=utc_now,
            most_letters=settings.dead_letters_most,
        )
        return Line(source.name, Intake(broker, source, recording.read, recording.record), recording)

    def source(name: str, batch_records: int, *topics: Topic) -> Source:
        names = tuple(topic.at(settings.topic_prefix) for topic in topics)
        return Source(name, names, f"{settings.namespace}.accounting.{name}", batch_records, settings.session_seconds)

    return (
        line(source("usage", settings.usage_batch_records, USAGE), read_charged, add, USAGE_EVENTS),
        line(source("results", settings.job_batch_records, RESULTS), read_end, end, RESULT_EVENTS),
        line(source("jobs", settings.job_batch_records, *JOBS.values()), read_job, shelf.accept, JOB_EVENTS),
    )


@dataclass(frozen=True, slots=True)
class _Changes:
    """Who goes by a configuration that has changed, for whatever comes from then on."""

    prices: CurrentPrices
    partial_answers: dict[str, str]
    shelf: PostgresJobs
    months: LedgerMonths
    nightly: Nightly
    beginning: Beginning
    alerts: Alerts
    ears: Callable[[Config], Sequence[Ear]]

    async def take(self, fresh: Config) -> None:
        self.prices.take(price_book(fresh))
        self.partial_answers.clear()
        self.partial_answers.update(fresh.partial_answers)
        self.shelf.retention = fresh.retention
        self.months.keep = fresh.retention.ledger_months
        self.nightly.at = fresh.audit.at
        self.beginning.go_by(all_rules_of(fresh))
        self.alerts.ears = self.ears(fresh)


def _arrivals(settings: Settings, engine: AsyncEngine, lines: Sequence[Line]) -> Arrivals:
    """Of the jobs, and of the calls that they have paid for already."""
    topics = [topic.at(settings.topic_prefix) for topic in (*JOBS.values(), USAGE)]

    async def reach() -> Mapping[Place, Reach]:
        found: dict[Place, Reach] = {}
        for line in lines:
            if line.name in ("jobs", "usage"):
                found |= await line.intake.reach()
        return found

    return Arrivals(reach, lambda: consumed(engine, *topics))


def _ears(topic_prefix: str, broker: KafkaBroker, config: Config) -> Sequence[Ear]:
    ears: list[Ear] = [LogEar(), KafkaEar(broker, ALERTS.at(topic_prefix))]
    if webhook := config.budgets.webhook:
        # Late: most have none, and it needs an HTTP client.
        from services.accounting.budgets.webhook import WebhookEar

        ears.append(WebhookEar(str(webhook.url), webhook.secret.get_secret_value(), utc_now))
    return ears


async def _written(startup: Startup, engine: AsyncEngine, write: Callable[[], Awaitable[object]]) -> None:
    """PostgreSQL has it afterwards, though it went away meanwhile. Raises UnstorableError."""

    async def attempt() -> None:
        async with at_home(engine):
            with failures_told():
                await write()

    await startup.reach("postgres", attempt, attempt_seconds=_LONGEST_MIGRATION_SECONDS, away=(AwayError,))


async def _let_go(stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Nothing depends on it: what is not committed is read again."""
    await let_go(stop(), within_seconds=_STOP_SECONDS)


async def _background(lines: Sequence[Line], rounds: Sequence[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in rounds:
            group.create_task(each)
        for line in lines:
            group.create_task(_faultless(line), name=line.name)


async def _closed(lines: Sequence[Line]) -> None:
    await asyncio.gather(*(line.intake.close(_GRACE_SECONDS) for line in lines))


async def _faultless(line: Line) -> None:
    await line.intake.fault


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
