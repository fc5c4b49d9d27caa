"""Makes the plan of a job, now: what this worker knows of the world goes in, `routing/plan.py` decides."""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from services.router_worker.failures import Unsupported
from services.router_worker.quota.cost import Expectation
from services.router_worker.routing.asked import asked_of
from services.router_worker.routing.odds import Lot, Odds
from services.router_worker.routing.plan import Candidate, Plan, plan
from services.router_worker.routing.traffic import Traffic
from shared.clock import Clock
from shared.config.schema import Config
from shared.contracts import Job, TokenUsage
from shared.money import Nanodollars
from shared.prices import PriceBook, cost

__all__ = ["Planner", "goes_by_cost", "goes_by_traffic"]

_BY_TRAFFIC: Final = frozenset({"least-in-flight", "latency"})


def goes_by_traffic(config: Config) -> bool:
    """Whether any decision depends on what other workers do: else they need not tell each other."""
    return any(model.strategy in _BY_TRAFFIC for model in config.models.values())


def goes_by_cost(config: Config) -> bool:
    return any(model.strategy == "cost" for model in config.models.values())


@dataclass(frozen=True, slots=True)
class Planner:
    """Nothing blocks, nothing raises."""

    config: Config
    lacks: Callable[[Job, Candidate], Unsupported | None]
    traffic: Traffic
    prices: PriceBook | None
    """Needed where any model goes by cost."""
    clock: Clock
    _turns: Iterator[int] = field(default_factory=itertools.count)

    def plan(self, job: Job) -> Plan:
        return self.planned(job, Lot(next(self._turns), random.random()))  # noqa: S311 - spreads load, guards nothing

    def planned(self, job: Job, lot: Lot) -> Plan:
        """The plan that this lot gives: for explaining one."""
        return plan(
            self.config,
            asked_of(job),
            lot,
            lambda candidate: self.lacks(job, candidate),
            self._odds(job),
        )

    def _odds(self, job: Job) -> Callable[[Candidate], Odds]:
        def odds(candidate: Candidate) -> Odds:
            strategy = self.config.models[candidate.serves].strategy
            if strategy in _BY_TRAFFIC:
                reading = self.traffic.of(candidate.name, self.clock().timestamp())
                return Odds(candidate.weight, reading.in_flight, reading.first_token_seconds)
            return Odds(candidate.weight, cost=self._cost(job, candidate) if strategy == "cost" else None)

        return odds

    def _cost(self, job: Job, candidate: Candidate) -> Nanodollars | None:
        if self.prices is None:
            return None
        output = Expectation().of(job) - job.input_tokens
        quote = self.prices.quote(candidate.provider, candidate.model, self.clock())
        return cost(TokenUsage(uncached_input=job.input_tokens, output=output), quote.prices)
