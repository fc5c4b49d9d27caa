"""What ingress's tests are made of: requests, callers, jobs and their ends, and the ports kept in memory."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import cast

import orjson
from starlette.types import ASGIApp

from services.ingress.adapters.blob_claim_checks import BlobClaimChecks
from services.ingress.adapters.directory_watch import DirectoryWatch
from services.ingress.admission import Caller, CompletionRequest, Facts, HouseRules, ModelFacts, Spans
from services.ingress.api.admin.desk import Administrators, Desk
from services.ingress.api.app import create_app
from services.ingress.api.doors import BodyLimit, Doors, Patience
from services.ingress.api.upload import LargeBodies
from services.ingress.availability import Availability
from services.ingress.backlogs import Backlogs
from services.ingress.budget_rules import BudgetRules
from services.ingress.callers import Callers
from services.ingress.incidents import Incidents
from services.ingress.keyring import Keyring
from services.ingress.pacing import Pacing, RateTerms
from services.ingress.reception import Reception
from services.ingress.spending import Spending
from services.ingress.submissions import Submissions
from services.ingress.tail import Tails
from services.ingress.takings import Takings
from shared.clock import utc_now
from shared.config import hash_key
from shared.config.schema import Caller as CallerSection
from shared.config.schema import Model, Tenant
from shared.contracts import (
    AttemptStatus,
    AttemptSummary,
    Door,
    Interruption,
    Job,
    JobEnded,
    JobError,
    JobStatus,
    JsonObject,
    Lane,
    TokenUsage,
)
from shared.ids import completion_id, new_job_id
from shared.job_log import JobFacts
from shared.telemetry import Instruments, probes
from tests.suites.blobs import MemoryBlobs
from tests.suites.budgets import unbound
from tests.suites.directory import MemoryAuditLog, MemoryDirectory
from tests.suites.ingress_ports import FixedTokens, MemoryArchive, MemoryJobLog, MemoryQueue, MemoryReservations
from tests.suites.rates import MemoryRates

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

CALLER = Caller("acme", "web", frozenset({"*"}), frozenset(Lane))

CHAT: JsonObject = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


def chat_body(**fields: object) -> bytes:
    return orjson.dumps(CHAT | fields)


def a_request(**fields: object) -> CompletionRequest:
    request = CompletionRequest(door=Door.CHAT, lane=Lane.INTERACTIVE, model="gpt-4o", body=dict(CHAT), streamed=False)
    return replace(request, **fields)  # type: ignore[arg-type]


def the_facts(**fields: object) -> Facts:
    facts = Facts(
        job=new_job_id(),
        model=ModelFacts(context_window=8192, max_output_tokens=4096),
        input_tokens=12,
        longest=timedelta(seconds=600),
        schedule=timedelta(days=1),
        on_interrupt=Interruption.RESTART,
    )
    return replace(facts, **fields)  # type: ignore[arg-type]


def a_job(*, tenant: str = "acme", streamed: bool = True, seconds: float = 60, **fields: object) -> Job:
    now = datetime.now(UTC)
    job = Job(
        id=new_job_id(),
        tenant=tenant,
        caller="web",
        door=Door.JOBS,
        lane=Lane.INTERACTIVE,
        model="gpt-4o",
        body=CHAT,
        streamed=streamed,
        on_interrupt=Interruption.RESTART,
        input_tokens=12,
        accepted_at=now,
        deadline=now + timedelta(seconds=seconds),
    )
    return job.model_copy(update=fields)


def a_chunk(job: Job, text: str) -> bytes:
    return orjson.dumps(
        {
            "id": completion_id(job.id),
            "object": "chat.completion.chunk",
            "created": int(job.accepted_at.timestamp()),
            "model": job.model,
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}],
        }
    )


def a_completion(job: Job | JobFacts, text: str) -> JsonObject:
    return {
        "id": completion_id(job.id),
        "object": "chat.completion",
        "created": int(job.accepted_at.timestamp()),
        "model": job.model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }


def an_end(
    job: Job,
    *,
    status: JobStatus = JobStatus.SUCCEEDED,
    text: str = "Hello.",
    error: JobError | None = None,
    epoch: int = 1,
) -> JobEnded:
    now = datetime.now(UTC)
    return JobEnded(
        job_id=job.id,
        tenant=job.tenant,
        caller=job.caller,
        custom_id=job.custom_id,
        lane=job.lane,
        model=job.model,
        model_served="gpt-4o-2026",
        status=status,
        response=a_completion(job, text) if status is JobStatus.SUCCEEDED else None,
        error=error,
        usage=TokenUsage(uncached_input=12, output=3),
        attempts=(
            AttemptSummary(
                attempt=1,
                provider="one",
                deployment="one/gpt-4o",
                status=AttemptStatus.SUCCEEDED,
                started_at=now,
                ended_at=now,
            ),
        ),
        route=("one/gpt-4o",),
        epoch=epoch,
        accepted_at=job.accepted_at,
        started_at=now,
        ended_at=now,
    )


@dataclass
class MemoryIngress:
    """The HTTP door on ports in memory."""

    open_door: Callable[[], ASGIApp]
    job_log: MemoryJobLog
    reservations: MemoryReservations
    queue: MemoryQueue
    archive: MemoryArchive
    tokens: FixedTokens
    submissions: Submissions
    backlogs: Backlogs
    doors: Doors
    blobs: MemoryBlobs
    problems: dict[str, str | None]
    """What `/readyz` says."""
    directory: MemoryDirectory
    rates: MemoryRates
    incidents: Incidents
    audit_log: MemoryAuditLog
    watch: DirectoryWatch
    """Nobody runs it: a test looks when it wants to."""

    @cached_property
    def app(self) -> ASGIApp:
        """Made for those who knock: its routes take longer to build than most tests run."""
        return self.open_door()

    async def submitted(self) -> Job:
        """The next job that reaches the queue."""
        await asyncio.wait_for(self.queue.arrived.wait(), 5)
        self.queue.arrived.clear()
        return self.queue.jobs[-1]


KEY = f"slk_web_{'a' * 64}"
OTHER_TENANTS_KEY = f"slk_rival_{'b' * 64}"
NARROW_KEY = f"slk_narrow_{'c' * 64}"
AUTH = {"authorization": f"Bearer {KEY}"}
ADMIN_KEY = f"sla_ops_{'d' * 64}"
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}

TENANTS = {
    "acme": Tenant(
        keys={
            "web": CallerSection(hash=hash_key(KEY)),
            "narrow": CallerSection(hash=hash_key(NARROW_KEY), models=("gpt-4o-mini",), lanes=(Lane.BATCH,)),
        }
    ),
    "rival": Tenant(keys={"rival": CallerSection(hash=hash_key(OTHER_TENANTS_KEY))}),
}


def memory_ingress(
    *,
    body_bytes: int = 100_000,
    patience: Patience | None = None,
    queueing_seconds: float = 0,
    spending: Spending | None = None,
    rules: BudgetRules | None = None,
) -> MemoryIngress:
    """`rules` are those that `spending` goes by, where a test changes them."""
    rules = rules or BudgetRules({})
    job_log, queue, archive, tokens = MemoryJobLog(), MemoryQueue(), MemoryArchive(), FixedTokens()
    rates, audit_log = MemoryRates(), MemoryAuditLog()
    incidents = Incidents(audit_log, "r1", utc_now)
    directory, keyring = MemoryDirectory(), Keyring(offline=timedelta(hours=1))
    models = {"gpt-4o": ModelFacts(8192, 4096), "gpt-4o-mini": ModelFacts(), "org/model": ModelFacts()}
    instruments = Instruments("ingress")
    backlogs = Backlogs({}, lambda _: None, instruments)
    submissions = Submissions(
        queue=queue,
        job_log=job_log,
        tokens=tokens,
        backlogs=backlogs,
        takings=Takings(
            spending or unbound(),
            Pacing(rates, RateTerms({}, batch_waits=True, open_without_redis=True), utc_now),
        ),
        rules=HouseRules(
            models, Spans({lane: timedelta(seconds=600) for lane in Lane}, timedelta(days=1)), Interruption.RESTART
        ),
        clock=utc_now,
        instruments=instruments,
    )
    blobs = MemoryBlobs()
    claim_checks = BlobClaimChecks(blobs)
    tails, reservations = Tails(job_log, archive, claim_checks), MemoryReservations()
    doors = Doors(
        callers=Callers(TENANTS, directory, keyring, incidents, utc_now),
        reception=Reception(submissions, reservations, tails, utc_now, queueing_seconds=queueing_seconds),
        tails=tails,
        job_log=job_log,
        archive=archive,
        models=models,
        availability=Availability(
            {name: Model.model_validate({"deployments": [{"provider": "p"}]}) for name in models}
        ),
        claim_checks=claim_checks,
        incidents=incidents,
        limit=BodyLimit(body_bytes),
        large=LargeBodies(),
        instruments=instruments,
        clock=utc_now,
        patience=patience or Patience(),
    )
    problems: dict[str, str | None] = {"kafka": None}
    health = cast("ASGIApp", probes(instruments.registry, ready=lambda: problems, live=lambda: None))
    desk = Desk(
        administrators=Administrators({"ops": hash_key(ADMIN_KEY)}),
        tenants=directory.tenants,
        teams=directory.teams,
        keys=directory.keys,
        budgets=directory.budgets,
        configured=TENANTS,
        clock=utc_now,
    )
    return MemoryIngress(
        lambda: create_app(doors, desk, health, version="test"),
        job_log,
        reservations,
        queue,
        archive,
        tokens,
        submissions,
        backlogs,
        doors,
        blobs,
        problems,
        directory,
        rates,
        incidents,
        audit_log,
        DirectoryWatch(directory, keyring, directory.budgets, rules, utc_now),
    )
