"""Messages for accounting's tests: an attempt, a job and its end as a worker and an ingress would write them."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.accounting.charging import Entry, enter
from services.accounting.consumption.reading import read_usage
from shared.contracts import (
    AttemptFinished,
    AttemptStatus,
    AttemptSummary,
    Door,
    Interruption,
    Job,
    JobEnded,
    JobStatus,
    JsonObject,
    Lane,
    PlanEntry,
    PlanVerdict,
    TokenUsage,
    UsageSource,
)
from shared.ids import JobId, attempt_id, new_job_id
from shared.prices.quotes import PriceBook

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FakeRecord:
    """A record as Kafka's client hands it over."""

    value: bytes | None
    offset: int = 0
    partition: int = 0
    topic: str = "usage"
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = 0


def an_attempt(
    *,
    job: JobId | None = None,
    number: int = 1,
    tenant: str = "acme",
    model: str = "m1",
    served: str | None = "m1-2026-01",
    provider: str = "openai",
    upstream: str = "gpt-4o-mini",
    feature: str | None = "search",
    usage: TokenUsage | None = None,
    source: UsageSource = UsageSource.PROVIDER,
    status: AttemptStatus = AttemptStatus.SUCCEEDED,
    at: datetime = NOON,
    user: str | None = None,
) -> AttemptFinished:
    job = job or new_job_id()
    return AttemptFinished(
        attempt_id=attempt_id(job, number),
        job_id=job,
        attempt=number,
        epoch=1,
        tenant=tenant,
        caller="key1",
        user=user,
        feature=feature,
        tags={"team": "red"},
        lane=Lane.BATCH,
        model_asked=model,
        model_served=served,
        provider=provider,
        deployment=f"{provider}/{upstream}",
        upstream_model=upstream,
        status=status,
        usage=TokenUsage(uncached_input=100, cache_read=20, output=50, reasoning=5) if usage is None else usage,
        usage_source=source,
        finish_reason="stop",
        accepted_at=at,
        started_at=at + timedelta(milliseconds=1500),
        first_token_at=at + timedelta(milliseconds=1900),
        ended_at=at + timedelta(milliseconds=4250),
    )


def entered(event: AttemptFinished, book: PriceBook, partial_answers: Mapping[str, str] | None = None) -> Entry:
    """As accounting makes a row of what a worker has written."""
    return enter(read_usage(event.to_bytes()), book, partial_answers)


def attempts(count: int, *, seed: int = 0, at: datetime = NOON) -> list[AttemptFinished]:
    """A mix of tenants, models, hours and outcomes, some of them without a known price."""
    chance = random.Random(seed)
    return [
        an_attempt(
            number=chance.choice([1, 1, 2]),
            tenant=chance.choice(["acme", "globex", "initech"]),
            model=chance.choice(["m1", "m2"]),
            served=chance.choice(["m1-2026-01", None]),
            upstream=chance.choice(["gpt-4o-mini", "gpt-4o", "unheard-of"]),
            feature=chance.choice(["search", None]),
            status=chance.choice(list(AttemptStatus)),
            usage=TokenUsage(
                uncached_input=chance.randrange(5000),
                cache_write=chance.randrange(50),
                cache_read=chance.randrange(500),
                output=chance.randrange(900),
            ),
            at=at + timedelta(minutes=chance.randrange(600)),
        )
        for _ in range(count)
    ]


def a_job(
    job: JobId | None = None, *, tenant: str = "acme", body: JsonObject | None = None, user: str | None = None
) -> Job:
    return Job(
        id=job or new_job_id(),
        tenant=tenant,
        caller="key1",
        door=Door.TOPIC,
        lane=Lane.BATCH,
        model="m1",
        body=body or {"model": "m1", "messages": [{"role": "user", "content": "Why?"}]},
        streamed=False,
        on_interrupt=Interruption.RESTART,
        custom_id="line-1",
        user=user,
        feature="search",
        tags={"team": "red"},
        input_tokens=3,
        accepted_at=NOON,
        deadline=NOON + timedelta(hours=24),
    )


def an_end(
    job: JobId, *, status: JobStatus = JobStatus.SUCCEEDED, tenant: str = "acme", answer: str = "Because."
) -> JobEnded:
    summary = AttemptSummary(
        attempt=1,
        provider="openai",
        deployment="openai/gpt-4o-mini",
        status=AttemptStatus.SUCCEEDED,
        started_at=NOON + timedelta(seconds=1),
        ended_at=NOON + timedelta(seconds=3),
    )
    return JobEnded(
        job_id=job,
        tenant=tenant,
        caller="key1",
        custom_id="line-1",
        lane=Lane.BATCH,
        feature="search",
        model="m1",
        model_served="m1-2026-01",
        status=status,
        response={"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": answer}}]},
        finish_reason="stop",
        usage=TokenUsage(uncached_input=3, output=7),
        attempts=(summary,),
        route=("openai/gpt-4o-mini", "sim/m1"),
        plan=(PlanEntry(deployment="sim/m1", model="m1", verdict=PlanVerdict.SPARE, reason="number 2 by priority"),),
        epoch=1,
        accepted_at=NOON,
        started_at=NOON + timedelta(seconds=1),
        ended_at=NOON + timedelta(seconds=3),
    )
