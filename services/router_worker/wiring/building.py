"""Builds what goes by the configuration: connections, limits, plans, and a server that works with them."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis

from services.router_worker.fleet.claims import RedisClaims
from services.router_worker.fleet.holds import RedisHolds
from services.router_worker.fleet.shadows import FleetShadows
from services.router_worker.generations import Generation
from services.router_worker.luggage import CollectingCalls, LeftAnswers
from services.router_worker.measures import WorkerMeasures
from services.router_worker.providers.signing import NoCredentialsError
from services.router_worker.providers.transport import Providers
from services.router_worker.publishing.flusher import Flusher
from services.router_worker.publishing.outcomes import KafkaOutcomes
from services.router_worker.publishing.queue import KafkaJobQueue
from services.router_worker.running import RunningJobs
from services.router_worker.serve import Server
from services.router_worker.travel import Traveller
from services.router_worker.wiring.calling import Calling
from shared.blobs import Blobs
from shared.clock import utc_now
from shared.config.schema import Config
from shared.contracts import Lane
from shared.errors import OperatorError
from shared.job_log import Keyspace
from shared.topics import TIERS

__all__ = ["Builder"]


@dataclass(frozen=True, slots=True)
class Builder:
    """With what all generations of a worker share."""

    worker: str
    redis: Redis
    keyspace: Keyspace
    measures: WorkerMeasures
    running: RunningJobs
    claims: RedisClaims
    shadows: FleetShadows
    journals: Flusher
    outcomes: KafkaOutcomes
    queue: KafkaJobQueue
    blobs: Blobs
    large_jobs: int

    async def build(self, config: Config, number: int) -> Generation:
        """Raises OperatorError; nothing is left open then."""
        async with AsyncExitStack() as opened:
            try:
                providers = await opened.enter_async_context(Providers(config.providers, utc_now))
            except NoCredentialsError as error:
                raise OperatorError(str(error)) from error
            # What it holds of quotas is its own: both take of them while the one before still has jobs.
            name = f"{self.worker}~{number}"
            calling = Calling(config, name, self.redis, self.keyspace, providers, self.measures)
            await calling.listen()
            crowds = {lane: calling.crowd(lane) for lane in Lane}
            server = self._server(config, calling, providers)
            return Generation(number, server, crowds, calling.runs, calling.health, opened.pop_all())

    def _server(self, config: Config, calling: Calling, providers: Providers) -> Server:
        calls = CollectingCalls(providers, self.blobs, utc_now, at_once=self.large_jobs)
        conductor = calling.conductor(self.claims, calls)
        return Server(
            worker=self.worker,
            claims=self.claims,
            shadows=self.shadows,
            journals=self.journals,
            answers=LeftAnswers(self.blobs, kept=timedelta(seconds=config.retention.large_answer_seconds)),
            outcomes=self.outcomes,
            queue=self.queue,
            traveller=Traveller(
                self.claims,
                RedisHolds(self.redis, self.keyspace),
                calling.governor,
                conductor,
                self.outcomes,
                self.measures,
                config.retries,
                utc_now,
                longest_wait=TIERS[0].delay,
                unheld_when_unknown=config.budgets.when_unknown == "admit",
            ),
            conductor=conductor,
            measures=self.measures,
            running=self.running,
            plan=calling.planner.plan,
            retention=config.retention,
            clock=utc_now,
        )
