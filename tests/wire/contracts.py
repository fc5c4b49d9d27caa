"""One full example of every contract, with all of its fields set: what the golden files hold."""

from datetime import UTC, datetime, timedelta
from typing import Final

from shared.contracts import (
    AttemptFinished,
    AttemptRole,
    AttemptStatus,
    AttemptSummary,
    AuditAction,
    AuditAlert,
    AuditEntry,
    BlobRef,
    BudgetAlert,
    DeadLetter,
    DeadLetterReason,
    Door,
    Interruption,
    Job,
    JobEnded,
    JobError,
    JobStatus,
    JsonObject,
    Lane,
    PlanEntry,
    PlanVerdict,
    Reserved,
    TokenUsage,
    Unit,
    UsageSource,
    WireModel,
)
from shared.ids import JobId, attempt_id

__all__ = ["EXAMPLES"]

JOB: Final = JobId("job_01938f7cf2007abc8def0123456789ab")
ACCEPTED: Final = datetime(2024, 12, 4, 9, 30, tzinfo=UTC)
BODY: Final[JsonObject] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": 'Grüß Gott, 世界 \u2028 "quoted" \\ /'}],
    "stop": None,
    "temperature": 1.0,
    "seed": 9007199254740993,
    "logit_bias": {},
    "a_field_of_tomorrow": {"nested": [None, True, -0.5]},
}
USAGE: Final = TokenUsage(uncached_input=12, cache_write=3, cache_read=4, output=56, reasoning=7)


def after(seconds: float) -> datetime:
    return ACCEPTED + timedelta(seconds=seconds)


EXAMPLES: Final[dict[str, WireModel]] = {
    "job.v1": Job(
        id=JOB,
        tenant="acme",
        caller="web",
        door=Door.TOPIC,
        lane=Lane.BATCH,
        model="gpt-4o",
        body=BODY,
        streamed=True,
        on_interrupt=Interruption.CONTINUE,
        custom_id="request-1",
        user="u-17",
        feature="summary",
        tags={"team": "search"},
        input_tokens=19,
        accepted_at=ACCEPTED,
        deadline=after(600),
    ),
    "job-put-off.v1": Job(
        id=JOB,
        tenant="acme",
        caller="web",
        door=Door.JOBS,
        lane=Lane.INTERACTIVE,
        model="gpt-4o",
        body=BODY,
        streamed=True,
        on_interrupt=Interruption.RESTART,
        custom_id="request-2",
        user="u-17",
        feature="summary",
        tags={"team": "search"},
        input_tokens=19,
        accepted_at=ACCEPTED,
        deadline=after(600),
        not_before=after(90),
        deferral=2,
    ),
    "attempt-finished.v1": AttemptFinished(
        attempt_id=attempt_id(JOB, 2),
        job_id=JOB,
        attempt=2,
        epoch=1,
        tenant="acme",
        caller="web",
        user="u-17",
        feature="summary",
        tags={"team": "search"},
        lane=Lane.BATCH,
        model_asked="gpt-4o",
        model_served="gpt-4o-2024-08-06",
        provider="openai",
        deployment="openai/gpt-4o",
        upstream_model="gpt-4o",
        region="eu",
        status=AttemptStatus.SUCCEEDED,
        usage=USAGE,
        usage_source=UsageSource.PROVIDER,
        provider_cost_nanodollars=123_456_789,
        finish_reason="stop",
        error_kind="rate_limited",
        accepted_at=ACCEPTED,
        started_at=after(0.25),
        first_token_at=after(0.75),
        ended_at=after(2.000001),
    ),
    "job-ended.v1": JobEnded(
        job_id=JOB,
        tenant="acme",
        caller="web",
        custom_id="request-1",
        lane=Lane.INTERACTIVE,
        feature="summary",
        model="gpt-4o",
        model_served="gpt-4o-2024-08-06",
        status=JobStatus.FAILED,
        response={"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"content": None}, "logprobs": None}]},
        error=JobError(
            status_code=502, message="no provider answered", type="server_error", code="upstream_failed", param="model"
        ),
        finish_reason="stop",
        usage=USAGE,
        attempts=(
            AttemptSummary(
                attempt=1,
                provider="openai",
                deployment="openai/gpt-4o",
                status=AttemptStatus.FAILED,
                error_kind="rate_limited",
                started_at=after(0.25),
                ended_at=after(0.5),
            ),
        ),
        route=("openai/gpt-4o", "azure/gpt-4o"),
        epoch=1,
        accepted_at=ACCEPTED,
        started_at=after(0.125),
        ended_at=after(2.5),
    ),
    "dead-letter.v1": DeadLetter(
        topic="sluice.submit.v1",
        partition=3,
        offset=42,
        key=b"\x00key",
        value=b"\xff\xfe not JSON ?>",
        headers=(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),),
        reason=DeadLetterReason.UNDECODABLE,
        message="not JSON",
        code="invalid_json",
        tenant="acme",
        service="ingress",
        failed_at=ACCEPTED,
    ),
    "dead-letter-crashed.v1": DeadLetter(
        topic="sluice.jobs.batch.v1",
        partition=0,
        offset=7,
        key=JOB.encode(),
        value=b"{}",
        headers=(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),),
        reason=DeadLetterReason.CRASHED,
        message="KeyError('choices')",
        stack="Traceback (most recent call last):\n  File \"serve.py\", line 1, in serve\nKeyError: 'choices'\n",
        tries=3,
        code="defect",
        tenant="acme",
        service="router_worker",
        failed_at=ACCEPTED,
    ),
}

# All fields at once, though one of each pair is empty in life.
EXAMPLES["job-large.v1"] = EXAMPLES["job-put-off.v1"].model_copy(
    update={"body_blob": BlobRef(key=f"2024-12-04T11/acme/{JOB}/request", size=20_000_000)}
)
EXAMPLES["job-ended-large.v1"] = EXAMPLES["job-ended.v1"].model_copy(
    update={"response_blob": BlobRef(key=f"2024-12-11T10/acme/{JOB}/response-2", size=1_500_000)}
)
EXAMPLES["job-ended-planned.v1"] = EXAMPLES["job-ended-large.v1"].model_copy(
    update={
        "plan": (
            PlanEntry(deployment="sim/m1", model="gpt-4o", verdict=PlanVerdict.ASKED, reason="number 1: succeeded"),
            PlanEntry(
                deployment="eu/m1", model="gpt-4o", verdict=PlanVerdict.SKIPPED, reason="the rule 'eu' forbids it"
            ),
        )
    }
)
EXAMPLES["job-of-a-team.v1"] = EXAMPLES["job-large.v1"].model_copy(update={"team": "search"})
EXAMPLES["job-with-labels.v1"] = EXAMPLES["job-of-a-team.v1"].model_copy(update={"labels": {"region": "eu"}})
EXAMPLES["attempt-finished-failover.v1"] = EXAMPLES["attempt-finished.v1"].model_copy(
    update={
        "team": "search",
        "role": AttemptRole.FAILOVER,
        "service_tier": "flex",
        "units": {Unit.CACHE_WRITE_1H: 2, Unit.WEB_SEARCH: 1},
    }
)
EXAMPLES["job-under-limits.v1"] = EXAMPLES["job-with-labels.v1"].model_copy(update={"paced": True})
EXAMPLES["audit-entry.v1"] = AuditEntry(
    tenant="acme",
    seq=7,
    at=datetime(2024, 12, 4, 9, 30, tzinfo=UTC),
    actor="admin:ops",
    action=AuditAction.LIMITS_CHANGED,
    subject="key:reports-nightly",
    details={"limits": [{}, {"requests_per_minute": 60}]},
    previous="0" * 64,
    hash="f" * 64,
)
EXAMPLES["job-of-a-budget.v1"] = EXAMPLES["job-under-limits.v1"].model_copy(
    update={"reserved": Reserved(nanodollars=12_345_678, windows=("2024-12 month", "2024-12-04 day team=search"))}
)
EXAMPLES["budget-alert.v1"] = BudgetAlert(
    id="alert_0123456789abcdef0123456789abcdef",
    tenant="acme",
    budget="month team=search",
    period="2024-12",
    percent=80,
    limit_nanodollars=100_000_000_000,
    spent_nanodollars=80_000_000_001,
    hard=True,
    raised_at=ACCEPTED,
)
EXAMPLES["audit-alert.v1"] = AuditAlert(
    id="alert_fedcba9876543210fedcba9876543210",
    since=ACCEPTED,
    until=after(86_400),
    differences=2,
    between=("usage topic, usage_ledger", "usage_ledger, usage_hourly"),
    raised_at=after(100_000),
)
EXAMPLES["attempt-finished-with-key.v1"] = EXAMPLES["attempt-finished-failover.v1"].model_copy(
    update={"provider_key": "search-team"}
)
EXAMPLES["job-ended-with-key.v1"] = EXAMPLES["job-ended-planned.v1"].model_copy(
    update={
        "attempts": (
            AttemptSummary(
                attempt=1,
                provider="openai",
                provider_key="search-team",
                deployment="openai/gpt-4o",
                status=AttemptStatus.FAILED,
                error_kind="rate_limited",
                started_at=after(0.25),
                ended_at=after(0.5),
            ),
        )
    }
)
