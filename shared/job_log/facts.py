"""What the claim remembers of a job itself (its field `job`): any replica can tell whose it is before it ends."""

import orjson
from pydantic import AwareDatetime

from shared.contracts import Door, Job, Lane, PlanEntry, WireModel
from shared.ids import JobId
from shared.job_log.entries import EventType, encode_entry

__all__ = ["JobFacts", "PlanNoted", "accepted_entry", "facts_of"]


class JobFacts(WireModel):
    """Everything of a `Job` but its content."""

    id: JobId
    tenant: str
    caller: str
    door: Door
    lane: Lane
    model: str
    streamed: bool
    custom_id: str | None = None
    input_tokens: int = 0
    accepted_at: AwareDatetime
    deadline: AwareDatetime
    not_before: AwareDatetime | None = None


class PlanNoted(WireModel):
    """Of what a worker notes in the claim when it begins a call (its fields `a1`, `a2`, …), what readers look at."""

    plan: tuple[PlanEntry, ...] | None = None


def facts_of(job: Job) -> JobFacts:
    return JobFacts(
        id=job.id,
        tenant=job.tenant,
        caller=job.caller,
        door=job.door,
        lane=job.lane,
        model=job.model,
        streamed=job.streamed,
        custom_id=job.custom_id,
        input_tokens=job.input_tokens,
        accepted_at=job.accepted_at,
        deadline=job.deadline,
        not_before=job.not_before,
    )


def accepted_entry(job: Job) -> bytes:
    """The first entry of its log, the same whoever writes it."""
    told = {"id": job.id, "model": job.model, "lane": job.lane, "created_at": int(job.accepted_at.timestamp())}
    return encode_entry(EventType.ACCEPTED, orjson.dumps(told))
