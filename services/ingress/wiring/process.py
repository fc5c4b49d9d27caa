"""Who is who in ingress. From top to bottom it is the deployment diagram, from bottom to top the shutdown."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any, Final, cast

import structlog
from redis.asyncio import Redis
from starlette.types import ASGIApp
from uvicorn._types import ASGIApplication

from services.ingress.adapters.blob_claim_checks import BlobClaimChecks
from services.ingress.adapters.directory_watch import DirectoryBell
from services.ingress.adapters.followers import Followers
from services.ingress.adapters.kafka_queue import KafkaJobQueue
from services.ingress.adapters.kafka_records import KafkaRecords
from services.ingress.adapters.listener import Listener
from services.ingress.adapters.postgres import open_pool
from services.ingress.adapters.postgres_archive import PostgresArchive
from services.ingress.adapters.postgres_audit import AuditRelay, PostgresAudit
from services.ingress.adapters.reachability import Reachability
from services.ingress.adapters.redis_loads import RedisLoads
from services.ingress.adapters.redis_log import RedisJobLog
from services.ingress.adapters.redis_rates import RedisRates
from services.ingress.adapters.redis_reservations import RedisReservations
from services.ingress.adapters.tokens import VocabularyTokens
from services.ingress.api.app import create_app
from services.ingress.api.doors import BodyLimit, Doors, Patience
from services.ingress.api.upload import LargeBodies
from services.ingress.availability import Availability
from services.ingress.backlogs import Backlogs
from services.ingress.incidents import Incidents
from services.ingress.pacing import Pacing
from services.ingress.ports import Dependency
from services.ingress.reception import Reception
from services.ingress.settings import IngressSettings
from services.ingress.submissions import Submissions
from services.ingress.tail import Tails
from services.ingress.takings import Takings
from services.ingress.wiring.budgets import spending
from services.ingress.wiring.changes import Changes, keys_kept, logs_kept, longest_wait, tell_of
from services.ingress.wiring.directory import directory_of, rate_terms
from services.ingress.wiring.models import ServedModels
from services.ingress.wiring.readiness import alive, readiness
from services.ingress.wiring.topics import TopicDoor
from shared.blobs import INLINE_BYTES, open_blobs
from shared.clock import utc_now
from shared.config.schema import Config
from shared.config.shares import Shares
from shared.config.watching import ConfigFile, ConfigWatch
from shared.job_log import Keyspace
from shared.kafka import new_producer
from shared.redis import is_clustered, redis_client
from shared.serving import serving
from shared.telemetry import Instruments, probes
from shared.telemetry.metrics import FOLLOWED_JOBS, REFOLLOWS
from shared.tokens import TokenCounter

__all__ = ["wire"]

log = structlog.get_logger()

_ENVELOPE_BYTES: Final = 65_536
"""What a job's record holds besides the request's body, at most."""
_ARCHIVE_CONNECTIONS: Final = 4
_ADMIN_CONNECTIONS: Final = 3
_KEY_CONNECTIONS: Final = 2
"""Of their own: whoever tries keys must not keep others from their jobs."""

Run = Coroutine[Any, Any, None]


@asynccontextmanager
async def wire(settings: IngressSettings, config: Config) -> AsyncIterator[int]:
    """An ingress that serves as long as the block lasts; gives its port.

    It serves at once: servers that are away are waited for in the background, and `/readyz` names them. A background
    task that fails for a reason nobody foresaw ends the block with its exception.
    """
    instruments = Instruments("ingress")
    served = ServedModels(config)
    servers = {server: Reachability(server) for server in (Dependency.KAFKA, Dependency.REDIS, Dependency.POSTGRES)}
    claim_checks = BlobClaimChecks(open_blobs(settings.blobs_url))
    async with AsyncExitStack() as stack:
        redis = redis_client(settings.redis_url, call_seconds=settings.redis_seconds)
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        keyspace = Keyspace(settings.namespace, clustered=is_clustered(redis))
        keys_pool = await _pool(stack, settings, most=_KEY_CONNECTIONS)
        admin_pool = await _pool(stack, settings, most=_ADMIN_CONNECTIONS)
        incidents = Incidents(
            PostgresAudit(admin_pool, call_seconds=settings.postgres_seconds), settings.replica, utc_now
        )
        tell_of(incidents, settings.config_path, config)
        bell = DirectoryBell(redis, keyspace)
        directory = directory_of(keys_pool, admin_pool, bell, incidents, settings, config)
        job_log, followers = _job_log(redis, keyspace, settings, config, instruments)
        listener = Listener(
            redis, keyspace, settings.replica, followers, servers[Dependency.REDIS], directory.watch.wake
        )
        shares = Shares(config)
        backlogs = Backlogs(shares.weights, shares.partitions_of, instruments)
        availability = Availability(config.models)
        archive = PostgresArchive(
            await _pool(stack, settings, most=_ARCHIVE_CONNECTIONS),
            servers[Dependency.POSTGRES],
            call_seconds=settings.postgres_seconds,
        )
        records = _records(settings, servers[Dependency.KAFKA], instruments)
        pacing = Pacing(RedisRates(redis, keyspace), rate_terms(config), utc_now)
        money = spending(config, served.known, redis, keyspace, directory.budgets)
        submissions = Submissions(
            queue=KafkaJobQueue(records, settings.topic_prefix, shares.partitions_of, utc_now),
            job_log=job_log,
            tokens=VocabularyTokens(TokenCounter(), served.catalogued),
            backlogs=backlogs,
            takings=Takings(money, pacing),
            rules=served.house_rules(config),
            clock=utc_now,
            instruments=instruments,
        )
        tails = Tails(job_log, archive, claim_checks)
        reservations = RedisReservations(redis, keyspace, kept=keys_kept(config), clock=utc_now)
        reception = Reception(submissions, reservations, tails, utc_now)
        doors = Doors(
            callers=directory.callers,
            reception=reception,
            tails=tails,
            job_log=job_log,
            archive=archive,
            models=served.known,
            availability=availability,
            claim_checks=claim_checks,
            incidents=incidents,
            limit=BodyLimit(config.limits.body_bytes),
            large=LargeBodies(settings.large_bodies),
            instruments=instruments,
            clock=utc_now,
            patience=Patience(keepalive=settings.keepalive_seconds, write=settings.write_seconds),
        )

        topic_door = TopicDoor(settings, config, directory.callers, incidents, reception, records, instruments)
        changes = Changes(
            path=settings.config_path,
            served=served,
            availability=availability,
            shares=shares,
            directory=directory,
            pacing=pacing,
            money=money,
            submissions=submissions,
            job_log=job_log,
            reservations=reservations,
            limit=doors.limit,
            topic_door=topic_door,
            incidents=incidents,
        )
        ready = readiness(servers, topic_door.topics_exist, doors.stopping, instruments)
        # Starlette and uvicorn each have types of their own for the same ASGI.
        health = cast("ASGIApp", probes(instruments.registry, ready=ready, live=alive))
        app = cast("ASGIApplication", create_app(doors, directory.desk, health, version=version("sluice")))
        await stack.enter_async_context(
            _running(
                records=records.run(),
                listener=listener.run(),
                loads=RedisLoads(redis, keyspace, backlogs, availability).run(),
                archive=archive.run(),
                directory=directory.watch.run(),
                incidents=incidents.run(),
                audit=AuditRelay(
                    admin_pool, records, settings.topic_prefix, call_seconds=settings.postgres_seconds
                ).run(),
                submissions=submissions.run(),
                topic_door=topic_door.run(),
                config=ConfigWatch(
                    ConfigFile(settings.config_path, os.environ), config, changes.take, instruments
                ).run(),
            )
        )
        port = await stack.enter_async_context(
            serving(app, host=settings.host, port=settings.port, grace_seconds=settings.drain_seconds)
        )
        stack.callback(doors.stopping.set)
        log.info("ingress_listening", host=settings.host, port=port, replica=settings.replica)
        yield port


def _job_log(
    redis: Redis,
    keyspace: Keyspace,
    settings: IngressSettings,
    config: Config,
    instruments: Instruments,
) -> tuple[RedisJobLog, Followers]:
    refollows = instruments.counter(REFOLLOWS)
    followers = Followers(lambda cause: refollows.labels(cause).inc(), queue_bound=settings.reader_entries)
    instruments.gauge(FOLLOWED_JOBS).set_function(lambda: len(followers))
    job_log = RedisJobLog(
        redis,
        keyspace,
        settings.replica,
        followers,
        kept=logs_kept(config),
        longest=longest_wait(config),
        clock=utc_now,
    )
    return job_log, followers


async def _pool(stack: AsyncExitStack, settings: IngressSettings, *, most: int) -> Any:  # noqa: ANN401
    pool = await open_pool(settings.postgres_url, call_seconds=settings.postgres_seconds, most=most)
    stack.callback(pool.terminate)
    return pool


def _records(settings: IngressSettings, reachability: Reachability, instruments: Instruments) -> KafkaRecords:
    largest = INLINE_BYTES + _ENVELOPE_BYTES
    return KafkaRecords(
        lambda: new_producer(settings.kafka, settings.replica, max_request_bytes=largest),
        instruments,
        reachability,
        send_seconds=settings.submit_seconds,
    )


@asynccontextmanager
async def _running(**runs: Run) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run, name=name) for name, run in runs.items()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
