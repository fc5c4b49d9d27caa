"""Everything that decides which provider is called when: one worker's view, and what it shares with the others."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

from redis.asyncio import Redis

from services.router_worker.calls import ProviderCalls
from services.router_worker.conduct import Conductor
from services.router_worker.estimates import TokenizerEstimates
from services.router_worker.fleet.breakers import RedisBreakers
from services.router_worker.fleet.leases import RedisLeases
from services.router_worker.fleet.traffic import TrafficExchange
from services.router_worker.governing.governor import Crowd, Governor
from services.router_worker.governing.news import BreakerNews
from services.router_worker.governing.posting import crowd_of, posts_of
from services.router_worker.governing.probing import Prober
from services.router_worker.measures import WorkerMeasures
from services.router_worker.planning import Planner, goes_by_cost, goes_by_traffic
from services.router_worker.ports import Claims
from services.router_worker.providers.transport import Providers
from services.router_worker.resilience.hedging import Hedging
from services.router_worker.routing.traffic import Reading, Traffic
from shared.clock import utc_now
from shared.config.schema import Config
from shared.contracts import Lane
from shared.job_log import Keyspace
from shared.load import DeploymentHealth
from shared.prices import PriceBook
from shared.tokens import TokenCounter

__all__ = ["Calling"]


class Calling:
    """`runs` must run as long as anybody calls."""

    def __init__(
        self,
        config: Config,
        worker: str,
        redis: Redis,
        keyspace: Keyspace,
        providers: Providers,
        measures: WorkerMeasures,
    ) -> None:
        shift = utc_now().timestamp() - asyncio.get_running_loop().time()
        self._config = config
        self._posts = posts_of(config, worker, RedisLeases(redis, keyspace), measures, shift=shift)
        self._news = BreakerNews(self._posts, RedisBreakers(redis, keyspace))
        asked_after = {asked: post for asked, post in self._posts.items() if config.providers[asked[0]].probe}
        self._prober = Prober(asked_after, providers, measures)
        self.governor = Governor(self._posts, utc_now)
        self.traffic = Traffic()
        self._measures = measures
        self._hedging = Hedging({name: model.hedge for name, model in config.models.items() if model.hedge is not None})
        self._exchange = TrafficExchange(redis, keyspace, worker, self.traffic, utc_now)
        self.planner = Planner(config, providers.lacks, self.traffic, _prices(config), utc_now)
        measures.watch_posts(self._posts)

    def conductor(self, claims: Claims, calls: ProviderCalls) -> Conductor:
        estimates = TokenizerEstimates(TokenCounter())
        return Conductor(claims, self.traffic, calls, estimates, self._measures, self._hedging, utc_now)

    def crowd(self, lane: Lane) -> Crowd:
        return crowd_of(self._config, self._posts, lane)

    def health(self) -> dict[str, DeploymentHealth]:
        """Of each deployment, as this worker sees it."""
        now, today = asyncio.get_running_loop().time(), utc_now()
        quick = self.traffic.own(today.timestamp())
        seconds: dict[str, float | None] = {}
        for model, section in self._config.models.items():
            for each in section.deployments:
                reading = quick.get(self._config.deployment_name(model, each), Reading())
                seconds[f"{each.provider}/{each.model or model}"] = reading.first_token_seconds
        return {post.name: post.health(now, today, seconds.get(post.name)) for post in self._posts.values()}

    async def listen(self) -> None:
        """Before anybody is called: what the other workers leave alone. Blocks for the Redis time limit at most."""
        if self._tells:
            await self._news.try_exchange()

    @property
    def _tells(self) -> bool:
        several = any(len(provider.accounts) > 1 for provider in self._config.providers.values())
        return several or self._config.breaker is not None

    def runs(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Until cancelled, each."""
        yield self.governor.run()
        if self._tells:
            yield self._news.run()
        if self._config.breaker is not None:
            yield self._prober.run()
        if goes_by_traffic(self._config):
            yield self._exchange.run()


def _prices(config: Config) -> PriceBook | None:
    if not goes_by_cost(config):
        return None
    # Late: few workers look at prices, and the public ones are a megabyte.
    from shared.prices.genai import price_book

    return price_book(config)
