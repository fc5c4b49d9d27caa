"""The checks of the demo, on evidence that is sound and on evidence that has been tampered with in one place."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.demonstration.checks import Verdict, judge
from cli.demonstration.checks.streams import no_event_lost_or_repeated
from cli.demonstration.evidence import (
    ChatReading,
    Event,
    Evidence,
    JobRow,
    JobStream,
    Kill,
    LedgerRow,
    Reading,
    RollupKey,
    RollupRow,
    ServedCall,
    Submission,
)
from cli.demonstration.outcome import nothing_left_running
from shared.contracts import (
    AttemptStatus,
    Door,
    Interruption,
    Job,
    JobEnded,
    JobError,
    JobStatus,
    Lane,
    TokenUsage,
    UsageSource,
)
from shared.ids import JobId
from shared.money import Nanodollars

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHATTED, FOLLOWED, PUBLISHED = JobId("job_a"), JobId("job_b"), JobId("job_c")

PRICE = 10
"""Nanodollars, for any token."""


def price_of(_provider: str, _model: str, usage: TokenUsage, _at: datetime) -> Nanodollars:
    return Nanodollars(usage.total * PRICE)


def a_job(job: JobId, door: Door, custom_id: str | None = None) -> Job:
    return Job(
        id=job,
        tenant="demo",
        caller="visitor",
        door=door,
        lane=Lane.INTERACTIVE,
        model="gpt-4o",
        body={},
        streamed=True,
        on_interrupt=Interruption.RESTART,
        custom_id=custom_id,
        input_tokens=5,
        accepted_at=NOW,
        deadline=NOW + timedelta(minutes=1),
    )


def an_ending(job: JobId, *, epoch: int = 1, status: JobStatus = JobStatus.SUCCEEDED) -> JobEnded:
    return JobEnded(
        job_id=job,
        tenant="demo",
        caller="visitor",
        lane=Lane.INTERACTIVE,
        model="gpt-4o",
        status=status,
        response={"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}}]},
        usage=TokenUsage(uncached_input=5, output=2),
        epoch=epoch,
        accepted_at=NOW,
        ended_at=NOW,
    )


def a_delta(text: str) -> bytes:
    return orjson.dumps({"choices": [{"index": 0, "delta": {"content": text}}]})


def a_log(ending: JobEnded, *entries: tuple[str, str, bytes]) -> tuple[Event, ...]:
    last = f"{ending.epoch}-99"
    return (
        Event("0-1", "accepted", b"{}"),
        *(Event(*entry) for entry in entries),
        Event(last, "done", ending.to_bytes()),
    )


def a_row(job: JobId, attempt: int, status: AttemptStatus, source: UsageSource, usage: TokenUsage) -> LedgerRow:
    return LedgerRow(
        attempt_id=f"{job}.{attempt}",
        job=job,
        attempt=attempt,
        provider="tidewater",
        upstream_model="gpt-4o",
        model="gpt-4o",
        status=status,
        usage=usage,
        usage_source=source,
        cost=Nanodollars(usage.total * PRICE),
        started_at=NOW,
    )


def a_call(job: JobId, attempt: int, input_tokens: int, output_tokens: int, fault: str | None = None) -> ServedCall:
    return ServedCall(f"{job}.{attempt}", "tidewater", fault, input_tokens, 0, output_tokens, 0, 0.2)


def sound() -> Evidence:
    """Three jobs, one for each door. The worker of the second was killed; the first call of the third was refused."""
    endings = an_ending(CHATTED), an_ending(FOLLOWED, epoch=2), an_ending(PUBLISHED)
    chatted = a_log(
        endings[0], ("1-1", "started", b"{}"), ("1-2", "delta", a_delta("Hel")), ("1-3", "delta", a_delta("lo"))
    )
    followed = a_log(
        endings[1],
        ("1-1", "delta", a_delta("Ha")),
        ("2-1", "progress", b"{}"),
        ("2-2", "restart", b"{}"),
        ("2-3", "delta", a_delta("Hello")),
    )
    whole = TokenUsage(uncached_input=5, output=2)
    return Evidence(
        submissions=(
            Submission("one", Door.CHAT, CHATTED, first_token_seconds=0.3),
            Submission("two", Door.JOBS, FOLLOWED, first_token_seconds=0.4),
            Submission("three", Door.TOPIC),
        ),
        accepted=(a_job(CHATTED, Door.CHAT), a_job(FOLLOWED, Door.JOBS, "two"), a_job(PUBLISHED, Door.TOPIC, "three")),
        endings=endings,
        streams=(
            JobStream(CHATTED, chatted, ()),
            JobStream(
                FOLLOWED,
                followed,
                (Reading("reader 1", None, followed, 3), Reading("late reader 1", "1-1", followed[2:], 1)),
            ),
        ),
        chats=(ChatReading(CHATTED, (a_delta("Hel"), a_delta("lo")), completed=True),),
        kills=(Kill("worker-1", 4711, (FOLLOWED,), (f"{FOLLOWED}.1",)),),
        jobs=tuple(JobRow(job, None, JobStatus.SUCCEEDED) for job in (CHATTED, FOLLOWED, PUBLISHED)),
        ledger=(
            a_row(CHATTED, 1, AttemptStatus.SUCCEEDED, UsageSource.PROVIDER, whole),
            a_row(FOLLOWED, 1, AttemptStatus.ABANDONED, UsageSource.PARTIAL, TokenUsage(uncached_input=5, output=1)),
            a_row(FOLLOWED, 2, AttemptStatus.SUCCEEDED, UsageSource.PROVIDER, whole),
            a_row(PUBLISHED, 1, AttemptStatus.FAILED, UsageSource.NONE, TokenUsage()),
            a_row(PUBLISHED, 2, AttemptStatus.SUCCEEDED, UsageSource.PROVIDER, whole),
        ),
        rollup={
            RollupKey("gpt-4o", "tidewater"): RollupRow(
                5, TokenUsage(uncached_input=20, output=7), Nanodollars(27 * PRICE)
            )
        },
        served=(
            a_call(CHATTED, 1, 5, 2),
            a_call(FOLLOWED, 1, 5, 2),
            a_call(FOLLOWED, 2, 5, 2),
            a_call(PUBLISHED, 1, 0, 0, fault="status"),
            a_call(PUBLISHED, 2, 5, 2),
        ),
        unfinished_calls=0,
    )


def broken(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    return {verdict.claim: verdict.faults for verdict in judge(evidence, price_of) if not verdict.holds}


def test_sound_evidence_holds_in_every_check() -> None:
    assert broken(sound()) == {}


def test_an_ending_that_is_told_twice_is_still_one_ending() -> None:
    evidence = sound()
    assert broken(replace(evidence, endings=(*evidence.endings, evidence.endings[0]))) == {}


def test_a_call_that_was_noted_and_never_made_may_be_in_the_ledger_for_nothing() -> None:
    evidence = sound()
    row = a_row(PUBLISHED, 3, AttemptStatus.ABANDONED, UsageSource.PARTIAL, TokenUsage())
    rollup = {key: replace(sums, attempts=6) for key, sums in evidence.rollup.items()}
    assert broken(replace(evidence, ledger=(*evidence.ledger, row), rollup=rollup)) == {}


Tamper = Callable[[Evidence], Evidence]

ONCE = "every accepted job ended exactly once"
ANSWERED = "every job got its answer"
KILLED = "the killed worker's jobs ended elsewhere"
STREAMS = "no stream lost, repeated or reordered an event"
TEXT = "what was streamed is the answer in the result"
CLIENTS = "OpenAI clients read the same answers"
CALLS = "every provider call is in the ledger, once"
TOKENS = "tokens in PostgreSQL are what the providers served"
ROLLUPS = "the hourly roll-ups are the sum of the ledger"
COST = "cost in PostgreSQL is price times tokens, to the nanodollar"


def with_row(at: int, **changes: object) -> Tamper:
    return lambda e: replace(
        e,
        ledger=(*e.ledger[:at], replace(e.ledger[at], **changes), *e.ledger[at + 1 :]),  # type: ignore[arg-type]
    )


def with_reading(*ids: str) -> Tamper:
    """The first reader of the second job got these events, in this order."""

    def tamper(evidence: Evidence) -> Evidence:
        chatted, followed = evidence.streams
        events = {event.id: event for event in followed.log}
        reading = replace(followed.readings[0], events=tuple(events[each] for each in ids))
        return replace(evidence, streams=(chatted, replace(followed, readings=(reading,))))

    return tamper


def with_chat(**changes: object) -> Tamper:
    return lambda e: replace(e, chats=(replace(e.chats[0], **changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tamper", "claim", "fault"),
    [
        (lambda e: replace(e, endings=e.endings[1:]), ONCE, "never ended"),
        (lambda e: replace(e, endings=(*e.endings, an_ending(CHATTED, epoch=2))), ONCE, "ended 2 times"),
        (lambda e: replace(e, accepted=e.accepted[1:]), ONCE, "promised and is not on the job topics"),
        (lambda e: replace(e, accepted=e.accepted[:2]), ONCE, "three (topic) became 0 jobs"),
        (lambda e: replace(e, submissions=e.submissions[1:]), ONCE, "nobody submitted it"),
        (
            lambda e: replace(e, accepted=(*e.accepted[:1], a_job(FOLLOWED, Door.JOBS, "other"), e.accepted[2])),
            ONCE,
            "is named other, and was submitted as two",
        ),
        (lambda e: replace(e, jobs=e.jobs[1:]), ONCE, "is not in PostgreSQL"),
        (
            lambda e: replace(e, jobs=(replace(e.jobs[0], status=None), *e.jobs[1:])),
            ONCE,
            "has not ended in PostgreSQL",
        ),
        (
            lambda e: replace(e, submissions=(replace(e.submissions[0], refused="no"), *e.submissions[1:])),
            ONCE,
            "was refused",
        ),
        (
            lambda e: replace(
                e,
                endings=(
                    an_ending(CHATTED, status=JobStatus.FAILED).model_copy(
                        update={"error": JobError(status_code=502, message="gave up", type="server_error")}
                    ),
                    *e.endings[1:],
                ),
            ),
            ANSWERED,
            "gave up",
        ),
        (lambda e: replace(e, kills=()), KILLED, "no worker was killed"),
        (lambda e: replace(e, endings=(e.endings[0], e.endings[2])), KILLED, "never ended"),
        (lambda e: replace(e, ledger=(e.ledger[0], *e.ledger[2:])), KILLED, "is not in the ledger"),
        (with_row(1, usage_source=UsageSource.PROVIDER), KILLED, "not partial"),
        (with_reading("0-1", "1-1", "2-1", "2-3", "2-99"), STREAMS, "lost 2-2"),
        (with_reading("0-1", "1-1", "1-1", "2-1", "2-2", "2-3", "2-99"), STREAMS, "got twice 1-1"),
        (with_reading("0-1", "2-1", "1-1", "2-2", "2-3", "2-99"), STREAMS, "got 2-1 where 1-1 was due"),
        (
            lambda e: replace(e, endings=(e.endings[0], e.endings[1].model_copy(update={"response": {"choices": []}}))),
            TEXT,
            "says something else",
        ),
        (with_chat(chunks=(a_delta("Hal"), a_delta("lo"))), CLIENTS, "what is not in the log"),
        (with_chat(completed=False), CLIENTS, "without [DONE]"),
        (with_chat(chunks=(a_delta("Hel"),)), CLIENTS, "1 of 2 chunks"),
        (with_chat(chunks=(), answer={"choices": []}), CLIENTS, "not the response of the result"),
        (lambda e: replace(e, ledger=e.ledger[1:]), CALLS, "served and is not in the ledger"),
        (lambda e: replace(e, ledger=(*e.ledger, e.ledger[0])), CALLS, "in the ledger 2 times"),
        (lambda e: replace(e, served=(*e.served, e.served[0])), CALLS, "reached a provider 2 times"),
        (lambda e: replace(e, served=e.served[1:]), CALLS, "no provider has seen it"),
        (lambda e: replace(e, unfinished_calls=1), CALLS, "still being answered"),
        (with_row(0, usage=TokenUsage(uncached_input=5, output=1)), TOKENS, "1 output tokens charged, 2 served"),
        (with_row(1, usage=TokenUsage(uncached_input=5, output=3)), TOKENS, "only 2 served"),
        (with_row(1, status=AttemptStatus.FAILED), TOKENS, "1 output tokens charged, 2 served"),
        (with_row(0, usage=TokenUsage(cache_read=5, output=2)), TOKENS, "5 cached input tokens charged, only 0 served"),
        (with_row(0, provider="stonebridge"), TOKENS, "charged to stonebridge"),
        (with_row(0, usage=TokenUsage(uncached_input=5, output=1)), ROLLUPS, "in the roll-up"),
        (lambda e: replace(e, rollup={}), ROLLUPS, "None in the roll-up"),
        (with_row(0, cost=Nanodollars(71)), COST, "costs 71 nanodollars, 70 are due"),
        (with_row(0, cost=None), COST, "has no cost"),
    ],
)
def test_a_check_finds_what_was_tampered_with(tamper: Tamper, claim: str, fault: str) -> None:
    found = broken(tamper(sound()))
    assert any(fault in each for each in found.get(claim, ())), found


@given(st.data())
def test_no_reading_but_the_due_one_passes(data: st.DataObject) -> None:
    log = a_log(an_ending(CHATTED), *((f"1-{n}", "delta", a_delta(str(n))) for n in range(1, 6)))
    events = tuple(data.draw(st.lists(st.sampled_from(log), max_size=8)))
    stream = JobStream(CHATTED, log, (Reading("reader", None, events, 2),))
    verdict = no_event_lost_or_repeated(replace(sound(), streams=(stream,)))
    assert verdict.holds == (events == log)


def test_a_call_nobody_has_a_price_for_costs_nothing_that_is_known() -> None:
    evidence = sound()
    assert unpriced(evidence, None) == ()
    assert any("nobody has a price" in fault for fault in unpriced(evidence, Nanodollars(1)))


def unpriced(evidence: Evidence, cost: Nanodollars | None) -> tuple[str, ...]:
    """What is said of the cost of all calls when no price is known."""
    ledger = tuple(replace(row, cost=cost) for row in evidence.ledger)
    return judge(replace(evidence, ledger=ledger), lambda *_: None)[-1].faults


def test_a_log_that_is_not_in_order_is_no_measure() -> None:
    log = a_log(an_ending(CHATTED), ("1-2", "delta", a_delta("a")), ("1-1", "delta", a_delta("b")))
    stream = JobStream(CHATTED, log, (Reading("reader", None, log, 2),))
    assert "behind 1-2" in no_event_lost_or_repeated(replace(sound(), streams=(stream,))).faults[0]


def test_a_process_that_lives_on_is_named() -> None:
    assert nothing_left_running({1: "kafka", 2: "worker-1"}, [2], has_children=True) == Verdict(
        "nothing was left running", "2 processes started, 1 ended", ("worker-1 still runs (pid 2)",)
    )


def test_a_process_that_nobody_knows_by_name_is_missed_too() -> None:
    assert nothing_left_running({1: "kafka"}, [], has_children=False).holds
    assert not nothing_left_running({1: "kafka"}, [], has_children=True).holds
