"""Who is who in a router worker. From top to bottom it is the deployment diagram, from bottom to top the shutdown."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
from faststream.kafka import KafkaBroker

from services.router_worker.consumption.burial import Burials
from services.router_worker.consumption.handler import RecordHandler
from services.router_worker.consumption.lane import DEFERRED
from services.router_worker.consumption.register import GroupRegister
from services.router_worker.consumption.subscriber import WatermarkSubscriber
from services.router_worker.consumption.subscription import raw_value, subscribe
from services.router_worker.fleet.claims import RedisClaims
from services.router_worker.fleet.heartbeat import Heartbeat
from services.router_worker.fleet.reading_marks import RedisReadingMarks
from services.router_worker.fleet.seats import Seats
from services.router_worker.fleet.shadows import FleetShadows
from services.router_worker.fleet.showing import Showing
from services.router_worker.fleet.tells import Tells
from services.router_worker.generations import CurrentCrowd, Generations
from services.router_worker.health import Health
from services.router_worker.load import Load
from services.router_worker.measures import WorkerMeasures
from services.router_worker.providers.known import KNOWN
from services.router_worker.publishing.flusher import Flusher
from services.router_worker.publishing.outcomes import KafkaOutcomes
from services.router_worker.publishing.queue import KafkaJobQueue, Mover
from services.router_worker.running import RunningJobs
from services.router_worker.settings import Settings
from services.router_worker.wiring.building import Builder
from services.router_worker.wiring.lanes import intakes
from services.router_worker.wiring.leaving import cancelled, leave_fleet, leave_seat, let_go_of
from shared.blobs import open_blobs
from shared.burials import BurialLimit
from shared.clock import utc_now
from shared.config.schema import Config
from shared.config.shares import Shares
from shared.config.watching import ConfigFile, ConfigWatch
from shared.contracts import Lane
from shared.job_log import Keyspace
from shared.kafka import ensure_topics, new_questioner, partition_counts
from shared.kafka_broker import broker_for
from shared.lifecycle import Startup
from shared.redis import is_clustered, redis_client
from shared.telemetry.instruments import Instruments
from shared.telemetry.probes import serving_probes
from shared.topics import TOPICS

__all__ = ["Worker", "wire"]

log = structlog.get_logger("worker")

_REDIS_SECONDS: Final = 2.0
_CLOSE_SECONDS: Final = 8.0
"""How long the consumers and the producer may take to stop, beside the jobs."""
_ADMIN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that is consuming; it stops when its block is left."""

    id: str
    background: asyncio.Task[None]
    """Runs as long as the worker; when it ends by itself, the worker is broken and the process must end."""


@asynccontextmanager
async def wire(settings: Settings, config: Config, stop: asyncio.Event) -> AsyncIterator[Worker]:
    worker = settings.worker_id()
    instruments = Instruments("router_worker")
    measures = WorkerMeasures(instruments)
    running = RunningJobs()
    async with AsyncExitStack() as stack:
        startup = Startup(stop)
        health = Health(startup, instruments)
        await stack.enter_async_context(
            serving_probes(
                settings.probe_port,
                instruments.registry,
                ready=health.ready,
                live=health.live,
                host=settings.probe_host,
            )
        )
        redis = redis_client(settings.redis_url, call_seconds=_REDIS_SECONDS)
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        keyspace = Keyspace(settings.namespace, clustered=is_clustered(redis))
        heartbeat = Heartbeat(
            redis,
            keyspace,
            worker,
            every_seconds=settings.heartbeat_seconds,
            dead_after_seconds=settings.dead_after_seconds,
        )
        claims = RedisClaims(redis, keyspace, worker, heartbeat, dead_after_seconds=settings.dead_after_seconds)
        shadows = FleetShadows(claims, heartbeat, worker, running)
        flusher = Flusher(redis, keyspace, worker, measures, tick_seconds=settings.tick_seconds)
        seats = Seats(
            redis,
            keyspace,
            worker,
            name=settings.worker_name,
            every_seconds=settings.heartbeat_seconds,
            session_seconds=settings.session_seconds,
        )
        tells = Tells(redis, keyspace, worker, running, claims)
        admin = new_questioner(settings.kafka, worker)
        await startup.reach("kafka", lambda: ensure_topics(settings.kafka, settings.topic_prefix))
        stack.push_async_callback(let_go_of, admin.close, _ADMIN_SECONDS)
        await startup.reach("kafka", admin.start)

        broker = broker_for(settings.kafka, worker, linger_ms=2, graceful_timeout=None)
        outcomes = KafkaOutcomes(broker, settings.topic_prefix)
        names = [topic.at(settings.topic_prefix) for topic in TOPICS]
        counts = await startup.reach("kafka", lambda: partition_counts(admin, names))
        shares = Shares(config)
        queue = KafkaJobQueue(broker, settings.topic_prefix, counts.__getitem__, shares.partitions_of, utc_now)
        builder = Builder(
            worker=worker,
            redis=redis,
            keyspace=keyspace,
            measures=measures,
            running=running,
            claims=claims,
            shadows=shadows,
            journals=flusher,
            outcomes=outcomes,
            queue=queue,
            blobs=open_blobs(settings.blobs_url),
            large_jobs=settings.large_jobs,
        )
        generations = Generations(await builder.build(config, 1))
        stack.push_async_callback(generations.close)
        marks, mover = RedisReadingMarks(redis, keyspace, worker), Mover(queue)
        lanes = {
            lane: subscribe(broker, intake, GroupRegister(admin, intake.group), seats, measures.of_lane(lane))
            for lane, intake in intakes(settings, shares.weights, lambda lane: CurrentCrowd(generations, lane)).items()
        }
        for lane, subscriber in lanes.items():
            limit = BurialLimit(settings.dead_letters_most)
            burials = Burials(outcomes, limit, measures.of_lane(lane), subscriber.halt, utc_now)
            serves = mover if lane == DEFERRED else generations
            handler = RecordHandler(serves, generations.give_up, burials, marks)
            subscriber(handler.handle, decoder=raw_value)
        measures.watch(lanes, shadows)
        load = Load({lane: lanes[lane] for lane in Lane}, measures, generations.health)

        await startup.reach("redis", heartbeat.beat)
        await startup.reach("redis", seats.take)
        stack.push_async_callback(leave_fleet, heartbeat)
        stack.push_async_callback(leave_seat, seats, settings.on_stop)
        background = asyncio.create_task(
            _background(
                heartbeat.run(),
                flusher.run(),
                shadows.run(),
                claims.run(),
                tells.run(),
                seats.run(_renaming(lanes)),
                generations.run(),
                _rereading(settings, config, shares, builder, generations, instruments).run(),
                Showing(redis, keyspace, worker, load.look).run(),
            ),
            name="background",
        )
        stack.push_async_callback(cancelled, background)
        health.watch(heartbeat, longest_silence=settings.dead_after_seconds, lanes=lanes)
        stack.push_async_callback(let_go_of, broker.stop, settings.drain_seconds + _CLOSE_SECONDS)
        await _begin(startup, broker)
        log.info("worker_ready", worker=worker, slots=[lane.slots.free for lane in lanes.values()])
        yield Worker(worker, background)


def _rereading(
    settings: Settings,
    config: Config,
    shares: Shares,
    builder: Builder,
    generations: Generations,
    instruments: Instruments,
) -> ConfigWatch:
    async def take(fresh: Config) -> None:
        generations.succeed(await builder.build(fresh, generations.current.number + 1))
        shares.go_by(fresh)

    file = ConfigFile(settings.config_path, os.environ, KNOWN)
    return ConfigWatch(file, config, take, instruments)


async def _background(*runs: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for run in runs:
            group.create_task(run)


def _renaming(lanes: Mapping[str, WatermarkSubscriber]) -> Callable[[str | None], None]:
    def rename(name: str | None) -> None:
        for subscriber in lanes.values():
            subscriber.rename(name)

    return rename


async def _begin(startup: Startup, broker: KafkaBroker) -> None:
    await startup.reach("kafka", broker.connect)
    await startup.begin("kafka", broker.start())
