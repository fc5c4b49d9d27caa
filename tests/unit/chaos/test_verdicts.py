"""Each verdict holds for a good run and falls when the run is tampered with in the one place it watches."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.books import JobRow
from chaos.facts import Commit, Deferred, Event, Facts, Fate, Kind, Letter, Place, Submission, Transcript
from chaos.schedule import Act
from chaos.verdicts.commits import no_commit_past_an_unfinished_job
from chaos.verdicts.endings import ended_as_expected, ended_in_time, ended_once
from chaos.verdicts.judge import judged
from chaos.verdicts.ledger import ledger_is_what_was_served, unknown_to_all
from chaos.verdicts.processes import processes_lived
from chaos.verdicts.repeats import Cause, no_call_without_a_cause, repeats
from chaos.verdicts.transcripts import STORED_SEQ, transcripts_are_the_log
from chaos.verdicts.verdict import Verdict
from shared.contracts import AttemptStatus, JobStatus, TokenUsage, UsageSource
from tests.suites.chaos import (
    JOB,
    LATER,
    a_call,
    a_life,
    a_log,
    a_row,
    a_strike,
    an_ending,
    delta,
    good_run,
    tampered,
)

Judge = Callable[[Facts], Verdict]

FATES = {"brisk": frozenset({JobStatus.SUCCEEDED})}


def as_expected(facts: Facts) -> Verdict:
    return ended_as_expected(facts, FATES)


def test_a_good_run_is_good() -> None:
    assert [verdict.claim for verdict in judged(good_run()) if not verdict.holds] == []


(READER,) = good_run().transcripts


def read(*events: Event, **fields: object) -> Facts:
    return tampered(transcripts=(replace(READER, events=events, **fields),))  # type: ignore[arg-type]


STARTED, A, B, DONE = a_log()


@pytest.mark.parametrize(
    ("judge", "facts", "words"),
    [
        (ended_once, tampered(endings=()), "never ended"),
        (ended_once, tampered(accepted=()), "promised"),
        (ended_once, tampered(endings=(an_ending(), an_ending(1, LATER + 1, "cd"))), "ended twice"),
        (ended_once, tampered(jobs=()), "not in PostgreSQL"),
        (ended_once, tampered(jobs=(JobRow(JOB, "queued"),)), "queued in PostgreSQL"),
        (ended_once, tampered(dead_letters=(Letter(Place("jobs", 0, 7), "3 workers died"),)), "buried"),
        (ended_once, tampered(hanging=("jobs/0: 1 records",)), "not committed to its end"),
        (
            ended_once,
            tampered(submissions=(Submission("e2", Kind.TOPIC, "brisk", 0, Fate.ACCEPTED),)),
            "became no job",
        ),
        (ended_in_time, tampered(endings=(an_ending(at=LATER + 200),)), "after its deadline"),
        (as_expected, tampered(endings=(an_ending(status=JobStatus.CANCELLED),)), "cancelled"),
        (as_expected, tampered(endings=(an_ending(status=JobStatus.FAILED, error="why"),)), "failed: why"),
        (transcripts_are_the_log, read(STARTED, A, DONE), "lost what lies between"),
        (transcripts_are_the_log, read(STARTED, B, A, DONE), "got 1-2 behind 1-3"),
        (transcripts_are_the_log, read(STARTED, A, A, B, DONE), "got 1-2 behind 1-2"),
        (transcripts_are_the_log, read(STARTED, A, ended=False), "never told the end"),
        (transcripts_are_the_log, read(STARTED, A, delta(1, 3, "x"), DONE), "another for it than it is in the log"),
        (transcripts_are_the_log, read(*a_log("ab"), *a_log("ab", 2)), "and got more"),
        (transcripts_are_the_log, read(STARTED, A, delta(2, 2, "b"), *a_log("ab", 3)[-1:]), "lost the beginning"),
        (
            transcripts_are_the_log,
            tampered(
                logs={},
                transcripts=(replace(READER, events=(STARTED, A, Event("2-1", "progress", b"{}"), *a_log("ab", 3))),),
            ),
            "not the result's",
        ),
        (transcripts_are_the_log, read(shown=(b"x",)), "as a chat what the log does not say"),
        (ledger_is_what_was_served, tampered(ledger=()), "not in the ledger"),
        (ledger_is_what_was_served, tampered(calls=()), "never served"),
        (ledger_is_what_was_served, tampered(ledger=(a_row(usage=TokenUsage(output=99)),)), "charged 0 + 99"),
        (ledger_is_what_was_served, tampered(ledger=(a_row(usage=TokenUsage(output=1)),)), "by the provider's own"),
        (
            ledger_is_what_was_served,
            tampered(ledger=(a_row(usage=TokenUsage(), usage_source=UsageSource.NONE),)),
            "that the provider told",
        ),
        (ledger_is_what_was_served, tampered(calls=(a_call(), a_call(life="worker-2#1", at=LATER))), "one row"),
        (ledger_is_what_was_served, tampered(unfinished_calls=2), "2 calls never ended"),
        (
            no_call_without_a_cause,
            tampered(calls=(a_call(), a_call(2, "worker-2#1", LATER + 1)), ledger=(a_row(), a_row(2))),
            "after its end",
        ),
        (
            no_call_without_a_cause,
            tampered(calls=(a_call(), a_call(2, "worker-2#1", LATER - 1.5)), ledger=(a_row(), a_row(2))),
            "worker-1#1 lived",
        ),
        (
            no_commit_past_an_unfinished_job,
            tampered(commits=(Commit(LATER - 1, LATER - 1, "jobs", 0, 8),)),
            "before the job ended",
        ),
        (
            no_commit_past_an_unfinished_job,
            tampered(commits=(Commit(LATER - 1, LATER - 1, "jobs", 0, 5, frozenset({7})),)),
            "before the job ended",
        ),
        (no_commit_past_an_unfinished_job, tampered(endings=()), "the job never ended"),
        (
            no_commit_past_an_unfinished_job,
            tampered(commits=(Commit(LATER - 1, LATER - 1, "jobs", 0, 8),), deferred=(Deferred(JOB, LATER - 0.5),)),
            "before the job ended",
        ),
        (processes_lived, tampered(lives=(a_life(ended_at=LATER, exit_code=3),)), "by itself with code 3"),
        (
            processes_lived,
            tampered(lives=(a_life(asked_to_end_at=LATER, ended_at=LATER, exit_code=-9),)),
            "ended with code -9",
        ),
    ],
)
def test_a_tampered_run_is_found_out(judge: Judge, facts: Facts, words: str) -> None:
    verdict = judge(facts)
    assert not verdict.holds
    assert words in " / ".join(map(str, verdict.findings))


@pytest.mark.parametrize(
    ("judge", "facts"),
    [
        (ended_once, tampered(endings=(an_ending(), an_ending(1, LATER + 1)))),
        (
            ended_once,
            tampered(
                endings=(an_ending(), an_ending(1, LATER + 9, "cd")),
                strikes=(a_strike(Act.FLUSH, "valkey", LATER + 1),),
            ),
        ),
        (
            as_expected,
            tampered(
                submissions=(replace(good_run().submissions[0], cancelled_at=LATER - 1),),
                endings=(an_ending(status=JobStatus.CANCELLED),),
            ),
        ),
        (
            transcripts_are_the_log,
            replace(read(STARTED, A, Event(f"1-{STORED_SEQ}", "done", DONE.data)), logs={}),
        ),
        (
            transcripts_are_the_log,
            tampered(
                logs={},
                transcripts=(replace(READER, events=(STARTED, A, Event("2-1", "restart", b"{}"), *a_log("ab", 3))),),
            ),
        ),
        (transcripts_are_the_log, tampered(transcripts=(replace(READER, shown=(A.data,)),))),
        (
            ledger_is_what_was_served,
            tampered(
                lives=(a_life(killed=True, ended_at=LATER - 1.5),),
                ledger=(
                    a_row(
                        usage=TokenUsage(uncached_input=5, output=1),
                        usage_source=UsageSource.PARTIAL,
                        status=AttemptStatus.ABANDONED,
                    ),
                ),
            ),
        ),
        (ledger_is_what_was_served, tampered(ledger=(a_row(), a_row(2, usage=TokenUsage())))),
        (
            no_call_without_a_cause,
            tampered(calls=(a_call(fault="cut_after", finished="cut"), a_call(2, "worker-2#1", LATER - 0.9))),
        ),
        (processes_lived, tampered(lives=(a_life(killed=True, ended_at=LATER, exit_code=-9),))),
    ],
)
def test_what_is_excused_is_not_held_against_it(judge: Judge, facts: Facts) -> None:
    assert [str(finding) for finding in judge(facts).findings] == []


CRASHED = an_ending(status=JobStatus.FAILED, error="worker_crashed: Several workers died.")
DEATHS = tuple(a_life(f"worker-{n}#1", killed=True, ended_at=LATER - 1.5) for n in (1, 2, 3))
ORPHANS = tuple(a_call(n, f"worker-{n}#1") for n in (1, 2))
GIVEN_UP = {
    "endings": (CRASHED,),
    "jobs": (JobRow(JOB, "failed"),),
    "dead_letters": (Letter(Place("jobs", 0, 7), "3 workers died"),),
}


@pytest.mark.parametrize("judge", [ended_once, as_expected])
def test_a_job_that_three_workers_died_of_may_be_given_up(judge: Judge) -> None:
    assert judge(tampered(**GIVEN_UP, lives=DEATHS, calls=ORPHANS)).holds


@pytest.mark.parametrize("judge", [ended_once, as_expected])
@pytest.mark.parametrize(
    "happened",
    [{"lives": DEATHS[:2], "calls": ORPHANS}, {"lives": DEATHS, "calls": ORPHANS[:1]}],
    ids=["two deaths", "one call"],
)
def test_a_job_is_not_given_up_for_less(judge: Judge, happened: dict[str, object]) -> None:
    assert not judge(tampered(**GIVEN_UP, **happened)).holds


EXPIRED = an_ending(status=JobStatus.EXPIRED, error="deadline_exceeded: The deadline passed.")


def test_a_job_may_expire_when_its_worker_died_and_not_without_a_reason() -> None:
    assert as_expected(tampered(endings=(EXPIRED,), lives=DEATHS)).holds
    assert not as_expected(tampered(endings=(EXPIRED,))).holds


TWO_CALLS = (a_call(), a_call(2, "worker-2#1", LATER - 1.5))


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"lives": (a_life(killed=True, ended_at=LATER - 1.6), a_life("worker-2#1"))}, Cause.CRASH),
        ({"strikes": (a_strike(Act.FREEZE, "worker-1", LATER - 1.9, LATER),)}, Cause.CRASH),
        ({"strikes": (a_strike(Act.HOLD, "worker-1>valkey", LATER - 1.9, LATER),)}, Cause.CRASH),
        ({"strikes": (a_strike(Act.FLUSH, "valkey", LATER - 1.8),)}, Cause.FORGOTTEN),
        ({"lives": (a_life(asked_to_end_at=LATER - 2), a_life("worker-2#1"))}, Cause.HANDED_OVER),
        ({"strikes": (a_strike(Act.JOIN, "worker-4", LATER - 1.9),)}, Cause.NONE),
        ({"strikes": (a_strike(Act.CUT, "worker-1>kafka", LATER - 1.9, LATER),)}, Cause.NONE),
    ],
)
def test_a_second_call_has_a_cause_or_none(fields: dict[str, object], cause: Cause) -> None:
    (repeat,) = repeats(tampered(calls=TWO_CALLS, **fields))
    assert repeat.cause is cause


def test_a_call_that_was_held_on_its_way_is_the_earlier_one_although_it_arrives_later() -> None:
    calls = (a_call(2, "worker-2#1", LATER - 1.5), a_call(at=LATER - 1))
    unheard = a_strike(Act.HOLD, "worker-1>valkey", LATER - 1.9, LATER)
    (repeat,) = repeats(tampered(calls=calls, strikes=(unheard,)))
    assert (repeat.before.life, repeat.again.life, repeat.cause) == ("worker-1#1", "worker-2#1", Cause.CRASH)
    (repeat,) = repeats(tampered(calls=calls))
    assert repeat.cause is Cause.NONE


def test_a_call_that_only_a_dead_worker_and_a_flushed_valkey_knew_is_nobodys_to_charge() -> None:
    dead = a_life(killed=True, ended_at=LATER - 1.6)
    flush = a_strike(Act.FLUSH, "valkey", LATER - 1.55)
    facts = tampered(calls=TWO_CALLS, lives=(dead, a_life("worker-2#1")), strikes=(flush,), ledger=(a_row(2),))
    assert unknown_to_all(facts) == {f"{JOB}.1"}
    assert ledger_is_what_was_served(facts).holds
    assert not ledger_is_what_was_served(replace(facts, strikes=())).holds


def test_no_job_is_taken_from_a_living_worker_so_that_its_death_right_after_could_hide_a_call() -> None:
    dead = a_life(killed=True, ended_at=LATER - 0.5)
    flush = a_strike(Act.FLUSH, "valkey", LATER - 1.55)
    facts = tampered(calls=TWO_CALLS, lives=(dead, a_life("worker-2#1")), strikes=(flush,), ledger=(a_row(2),))
    assert not ledger_is_what_was_served(facts).holds


@pytest.mark.parametrize(
    ("kind", "after", "holds"), [("deadline", 0.9, True), ("deadline", 2, False), ("cut", 0, False)]
)
def test_a_worker_that_stops_waiting_just_when_the_answer_comes_has_not_heard_it(
    kind: str, after: float, *, holds: bool
) -> None:
    failed = {"status": AttemptStatus.FAILED, "usage": TokenUsage(), "usage_source": UsageSource.NONE}
    call = a_call()
    row = a_row(**failed, error_kind=kind, ended_at=call.ended_at + after)
    assert ledger_is_what_was_served(tampered(calls=(call,), ledger=(row,))).holds is holds


def test_a_chat_that_was_shown_everything_needs_no_events() -> None:
    shown = tuple(event.data for event in a_log() if event.type == "delta")
    chat = Transcript("e1/chat", JOB, (), (), ended=True, shown=shown)
    assert transcripts_are_the_log(tampered(transcripts=(chat,))).holds
    assert not transcripts_are_the_log(tampered(transcripts=(replace(chat, shown=shown[:1]),))).holds


def test_a_job_that_goes_on_in_another_record_is_done_with_in_this_one() -> None:
    put_off = tampered(commits=(Commit(LATER - 1, LATER - 1, "jobs", 0, 8),), deferred=(Deferred(JOB, LATER - 2),))
    assert no_commit_past_an_unfinished_job(put_off).holds
