"""One small real request to each deployment of a route: does it answer, how quickly, and what does it say if not?"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from services.router_worker.events import Answered, Chunk, Failed, Finished, UsageReported
from services.router_worker.planning import Planner
from services.router_worker.providers.transport import Providers
from services.router_worker.routing.odds import Lot
from services.router_worker.routing.plan import Candidate
from services.router_worker.routing.traffic import Traffic
from shared import catalog
from shared.clock import utc_now
from shared.config import Config
from shared.contracts import Door, Endpoint, Interruption, Job, JsonObject, Lane, TokenUsage
from shared.ids import attempt_id, new_job_id
from shared.money import Nanodollars
from shared.prices import PriceBook, cost
from shared.prices.genai import price_book

__all__ = ["Trial", "tried"]

_CHAT: Final[JsonObject] = {
    "messages": [{"role": "user", "content": "Answer with the one word: ready"}],
    "max_completion_tokens": 16,
}
_EMBEDDING: Final[JsonObject] = {"input": "ready"}


@dataclass(frozen=True, slots=True)
class Trial:
    deployment: str
    model: str
    """Of ours, that it serves."""
    outcome: str
    """`ok`, a word of the router's failure table, or `left out`."""
    message: str
    """What it said, or why not."""
    evidence: str = ""
    """What came instead of an answer."""
    model_served: str | None = None
    first_token_seconds: float | None = None
    seconds: float | None = None
    tokens: int | None = None
    cost: Nanodollars | None = None

    @property
    def is_good(self) -> bool:
        return self.outcome == "ok"


async def tried(config: Config, model: str, *, seconds: float, fallbacks: bool) -> Sequence[Trial]:
    """All at once, in the order of the plan; those that no request of this kind would reach come last."""
    job = _job(config, model, seconds)
    prices = price_book(config)
    async with Providers(config.providers, utc_now) as providers:
        plan = Planner(config, providers.lacks, Traffic(), prices, utc_now).planned(job, Lot())
        asked = [each for each in plan.candidates if fallbacks or each.serves == model]
        made = await asyncio.gather(*(_try(providers, prices, job, each, at) for at, each in enumerate(asked, 1)))
    left = [each for each in plan.skipped if fallbacks or each.serves == model]
    return [*made, *(Trial(each.name, each.serves, "left out", each.reason) for each in left)]


def _job(config: Config, model: str, seconds: float) -> Job:
    names = (model, *(each.model for each in config.models[model].deployments if each.model))
    embeds = any(catalog.find(name).embeds for name in names)
    now = utc_now()
    return Job(
        id=new_job_id(),
        tenant="",
        caller="",
        door=Door.JOBS,
        lane=Lane.INTERACTIVE,
        endpoint=Endpoint.EMBEDDINGS if embeds else Endpoint.CHAT,
        model=model,
        body={"model": model, **(_EMBEDDING if embeds else _CHAT)},
        streamed=not embeds,
        on_interrupt=Interruption.FAIL,
        input_tokens=8,
        accepted_at=now,
        deadline=now + timedelta(seconds=seconds),
    )


async def _try(providers: Providers, prices: PriceBook, job: Job, candidate: Candidate, number: int) -> Trial:
    loop = asyncio.get_running_loop()
    began, first, text = loop.time(), None, ""
    usage: TokenUsage | None = None
    trial = Trial(candidate.name, candidate.serves, "unknown", "It ended without a word.")
    calls = providers.attempt(job, candidate, attempt_id(job.id, number), None, job.deadline)
    async with aclosing(calls) as events:
        async for event in events:
            match event:
                case Chunk(is_output=True):
                    first = first or loop.time() - began
                    text += event.text
                case Answered():
                    text = "embeddings"
                case UsageReported():
                    usage = event.usage
                case Finished():
                    trial = Trial(candidate.name, candidate.serves, "ok", text.strip(), model_served=event.model_served)
                case Failed():
                    failure = event.failure
                    trial = Trial(candidate.name, candidate.serves, failure.kind, failure.message, event.evidence)
    return _measured(trial, candidate, prices, usage, first, loop.time() - began)


def _measured(
    trial: Trial,
    candidate: Candidate,
    prices: PriceBook,
    usage: TokenUsage | None,
    first: float | None,
    seconds: float,
) -> Trial:
    quote = prices.quote(candidate.provider, candidate.model, utc_now())
    return replace(
        trial,
        first_token_seconds=first,
        seconds=seconds,
        tokens=usage.total if usage else None,
        cost=cost(usage, quote.prices) if usage else None,
    )
