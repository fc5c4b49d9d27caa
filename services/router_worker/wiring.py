"""Who is who in a router worker. From top to bottom it is the deployment diagram, from bottom to top the shutdown."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from faststream.kafka import KafkaBroker
from redis.exceptions import RedisError

from services.router_worker.consumption.burial import Burials
from services.router_worker.consumption.handler import RecordHandler
from services.router_worker.consumption.lane import DEFERRED, Intake, in_tiers
from services.router_worker.consumption.register import GroupRegister
from services.router_worker.consumption.subscriber import WatermarkSubscriber
from services.router_worker.consumption.subscription import raw_value, subscribe
from services.router_worker.estimates import TokenizerEstimates
from services.router_worker.fleet.claims import RedisClaims
from services.router_worker.fleet.heartbeat import Heartbeat
from services.router_worker.fleet.leases import RedisLeases
from services.router_worker.fleet.reading_marks import RedisReadingMarks
from services.router_worker.fleet.seats import Seats
from services.router_worker.fleet.shadows import FleetShadows
from services.router_worker.fleet.showing import Showing
from services.router_worker.fleet.tells import Tells
from services.router_worker.fleet.traffic import TrafficExchange
from services.router_worker.governing.governor import Governor, Keepers, crowd_of, keepers_of
from services.router_worker.health import Health
from services.router_worker.load import Load
from services.router_worker.luggage import CollectingCalls, LeftAnswers
from services.router_worker.measures import WorkerMeasures
from services.router_worker.planning import Planner, goes_by_cost, goes_by_traffic
from services.router_worker.providers.transport import Providers
from services.router_worker.publishing.flusher import Flusher
from services.router_worker.publishing.outcomes import KafkaOutcomes
from services.router_worker.publishing.queue import KafkaJobQueue, Mover
from services.router_worker.routing.traffic import Traffic
from services.router_worker.running import RunningJobs
from services.router_worker.serve import Server
from services.router_worker.settings import OnStop, Settings
from services.router_worker.travel import Traveller
from shared.blobs import open_blobs
from shared.burials import BurialLimit
from shared.clock import utc_now
from shared.config.schema import Config
from shared.contracts import Lane
from shared.job_log import Keyspace
from shared.kafka import ensure_topics, let_go, partition_counts
from shared.lifecycle import Startup
from shared.prices.genai import price_book
from shared.redis import is_clustered, redis_client
from shared.telemetry.instruments import Instruments
from shared.telemetry.probes import serving_probes
from shared.tokens import TokenCounter
from shared.topics import JOBS, TIERS, TOPICS

__all__ = ["Worker", "wire"]

log = structlog.get_logger("worker")

_MOVES_AT_ONCE: Final = 64
"""How many jobs may be on their way out of a tier."""

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
        claims = RedisClaims(redis, keyspace, worker, heartbeat)
        shadows = FleetShadows(claims, heartbeat)
        flusher = Flusher(redis, keyspace, worker, measures, tick_seconds=settings.tick_seconds)
        seats = Seats(
            redis,
            keyspace,
            worker,
            every_seconds=settings.heartbeat_seconds,
            session_seconds=settings.session_seconds,
        )
        tells = Tells(redis, keyspace, worker, running, claims)
        providers = await stack.enter_async_context(Providers(config.providers, utc_now))
        keepers, governor = _governing(config, worker, RedisLeases(redis, keyspace), measures)
        traffic = Traffic()
        blobs = open_blobs(settings.blobs_url)
        calls = CollectingCalls(providers, blobs, utc_now, at_once=settings.large_jobs)
        admin = AIOKafkaAdminClient(**settings.kafka.client(), client_id=worker)
        await startup.reach("kafka", lambda: ensure_topics(settings.kafka, settings.topic_prefix))
        stack.push_async_callback(_let_go, admin.close, _ADMIN_SECONDS)
        await startup.begin("kafka", admin.start())

        broker = _broker(settings, worker)
        outcomes = KafkaOutcomes(broker, settings.topic_prefix)
        counts = await partition_counts(admin, [topic.at(settings.topic_prefix) for topic in TOPICS])
        queue = KafkaJobQueue(broker, settings.topic_prefix, counts.__getitem__, config.batch_partitions, utc_now)
        server = Server(
            worker=worker,
            claims=claims,
            shadows=shadows,
            journals=flusher,
            answers=LeftAnswers(blobs, kept=timedelta(seconds=config.retention.large_answer_seconds)),
            outcomes=outcomes,
            queue=queue,
            traveller=Traveller(
                claims,
                governor,
                traffic,
                calls,
                TokenizerEstimates(TokenCounter()),
                measures,
                config.retries,
                utc_now,
                longest_wait=TIERS[0].delay,
            ),
            measures=measures,
            running=running,
            plan=_planner(config, providers, traffic).plan,
            retention=config.retention,
            clock=utc_now,
        )
        marks, mover = RedisReadingMarks(redis, keyspace, worker), Mover(queue)
        lanes = {
            lane: subscribe(broker, intake, GroupRegister(admin, intake.group), seats, measures.of_lane(lane))
            for lane, intake in _intakes(settings, config, keepers).items()
        }
        for lane, subscriber in lanes.items():
            limit = BurialLimit(settings.dead_letters_most)
            burials = Burials(outcomes, limit, measures.of_lane(lane), subscriber.halt, utc_now)
            serves = mover if lane == DEFERRED else server
            handler = RecordHandler(serves, server.give_up, burials, marks)
            subscriber(handler.handle, decoder=raw_value)
        measures.watch(lanes, shadows)

        await startup.reach("redis", heartbeat.beat)
        await startup.reach("redis", seats.take)
        stack.push_async_callback(_leave_fleet, heartbeat)
        stack.push_async_callback(_leave_seat, seats, settings.on_stop)
        background = asyncio.create_task(
            _background(
                heartbeat.run(),
                flusher.run(),
                shadows.run(),
                tells.run(),
                seats.run(_renaming(lanes)),
                governor.run(),
                Showing(redis, keyspace, worker, Load({lane: lanes[lane] for lane in Lane}, measures).look).run(),
                *(
                    [TrafficExchange(redis, keyspace, worker, traffic, utc_now).run()]
                    if goes_by_traffic(config)
                    else []
                ),
            ),
            name="background",
        )
        stack.push_async_callback(_cancelled, background)
        health.watch(heartbeat, longest_silence=settings.dead_after_seconds, lanes=lanes)
        stack.push_async_callback(_let_go, broker.stop, settings.drain_seconds + _CLOSE_SECONDS)
        await _begin(startup, broker)
        log.info("worker_ready", worker=worker, slots=[lane.slots.free for lane in lanes.values()])
        yield Worker(worker, background)


def _governing(config: Config, worker: str, leases: RedisLeases, measures: WorkerMeasures) -> tuple[Keepers, Governor]:
    shift = utc_now().timestamp() - asyncio.get_running_loop().time()
    keepers = keepers_of(config, worker, leases, measures, shift=shift)
    measures.watch_lines({each.deployment: each.account.gate.waiting for each in keepers.values()})
    return keepers, Governor(keepers, utc_now)


def _planner(config: Config, providers: Providers, traffic: Traffic) -> Planner:
    prices = price_book(config) if goes_by_cost(config) else None
    return Planner(config, providers.lacks, traffic, prices, utc_now)


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


async def _let_go(stop: Callable[[], Coroutine[Any, Any, None]], within_seconds: float) -> None:
    await let_go(stop(), within_seconds=within_seconds)


async def _leave_fleet(heartbeat: Heartbeat) -> None:
    try:
        await heartbeat.leave()
    except (RedisError, OSError) as error:
        log.info("heartbeat_runs_out", reason=repr(error))


async def _leave_seat(seats: Seats, on_stop: OnStop) -> None:
    try:
        await (seats.leave_behind() if on_stop is OnStop.STAY else seats.clear_away())
    except (RedisError, OSError) as error:
        log.info("seat_runs_out", reason=repr(error))


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _broker(settings: Settings, worker: str) -> KafkaBroker:
    return KafkaBroker(
        settings.kafka.servers,
        security=settings.kafka.security(),
        client_id=worker,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        allow_auto_create_topics=False,
        apply_types=False,
        logger=None,
        graceful_timeout=None,
    )


def _intakes(settings: Settings, config: Config, keepers: Keepers) -> dict[str, Intake]:
    delays = {tier.topic.at(settings.topic_prefix): tier.delay for tier in TIERS}
    every_lane = Intake(
        topics=(),
        group="",
        slots=_MOVES_AT_ONCE,
        weights=config.weights,
        session_timeout_ms=int(settings.session_seconds * 1000),
        on_stop=settings.on_stop,
    )
    slots = {Lane.INTERACTIVE: settings.interactive_slots, Lane.BATCH: settings.batch_slots}
    lanes: dict[str, Intake] = {
        lane: replace(
            every_lane,
            topics=(topic.at(settings.topic_prefix),),
            group=f"{settings.namespace}.workers.{lane}",
            slots=slots[lane],
            crowds=crowd_of(config, keepers, lane),
            drain_seconds=settings.drain_seconds,
        )
        for lane, topic in JOBS.items()
    }
    deferred = replace(
        every_lane, topics=tuple(delays), group=f"{settings.namespace}.workers.{DEFERRED}", weigh=in_tiers(delays)
    )
    return lanes | {DEFERRED: deferred}
