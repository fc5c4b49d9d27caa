"""A run of the chaos test in which everything went well, made of values; tests tamper with it in one place."""

from dataclasses import replace

import orjson

from chaos.books import JobRow, LedgerRow
from chaos.facts import (
    Accepted,
    Call,
    Commit,
    Ending,
    Event,
    Facts,
    Fate,
    Kind,
    Life,
    Place,
    Strike,
    Submission,
    Transcript,
    Visit,
)
from chaos.schedule import Act, Fault, Role
from shared.contracts import AttemptStatus, JobStatus, TokenUsage, UsageSource

__all__ = [
    "JOB",
    "LATER",
    "a_call",
    "a_life",
    "a_log",
    "a_row",
    "a_strike",
    "an_ending",
    "delta",
    "good_run",
    "tampered",
]

JOB = "job_1"
BEGIN = 1000.0
LATER = BEGIN + 3
"""When the job of the good run has ended."""


def a_life(name: str = "worker-1#1", **fields: object) -> Life:
    slot = name.partition("#")[0]
    role = Role.WORKER if slot.startswith("worker") else Role.INGRESS
    return replace(Life(name, slot, role, BEGIN - 10), **fields)  # type: ignore[arg-type]


def a_call(number: int = 1, life: str = "worker-1#1", at: float = BEGIN + 1, **fields: object) -> Call:
    call = Call(
        attempt_id=f"{JOB}.{number}",
        life=life,
        started_at=at,
        ended_at=at + 1,
        finished="completed",
        fault=None,
        status=200,
        input_tokens=5,
        output_tokens=2,
        reported=True,
    )
    return replace(call, **fields)  # type: ignore[arg-type]


def a_row(number: int = 1, **fields: object) -> LedgerRow:
    row = LedgerRow(
        attempt_id=f"{JOB}.{number}",
        job=JOB,
        attempt=number,
        epoch=1,
        status=AttemptStatus.SUCCEEDED,
        usage=TokenUsage(uncached_input=5, output=2),
        usage_source=UsageSource.PROVIDER,
        error_kind=None,
        ended_at=LATER,
        recorded_at=LATER,
    )
    return replace(row, **fields)  # type: ignore[arg-type]


def an_ending(offset: int = 0, at: float = LATER, text: str = "ab", **fields: object) -> Ending:
    ending = Ending(
        place=Place("results", 0, offset),
        job=JOB,
        status=JobStatus.SUCCEEDED,
        epoch=1,
        text=text,
        content=text.encode(),
        error=None,
        appended_at=at,
    )
    return replace(ending, **fields)  # type: ignore[arg-type]


def a_strike(act: Act, target: str, began: float, ended: float | None = None) -> Strike:
    return Strike(Fault(0.0, act, target), began, began if ended is None else ended)


def delta(epoch: int, seq: int, text: str) -> Event:
    return Event(f"{epoch}-{seq}", "delta", orjson.dumps({"choices": [{"delta": {"content": text}}]}))


def a_log(text: str = "ab", epoch: int = 1) -> tuple[Event, ...]:
    result = {"response": {"choices": [{"message": {"content": text}}]}}
    deltas = [delta(epoch, seq, letter) for seq, letter in enumerate(text, start=2)]
    end = Event(f"{epoch}-{len(text) + 2}", "done", orjson.dumps(result))
    return (Event(f"{epoch}-1", "started", b"{}"), *deltas, end)


def good_run() -> Facts:
    """One job of one worker, read by one reader who dropped once."""
    place = Place("jobs", 0, 7)
    return Facts(
        submissions=(Submission("e1", Kind.STREAM, "brisk", BEGIN, Fate.ACCEPTED, JOB),),
        accepted=(
            Accepted(
                place, JOB, "e1", "brisk", streamed=True, accepted_at=BEGIN, deadline=BEGIN + 60, appended_at=BEGIN
            ),
        ),
        endings=(an_ending(),),
        looks=2,
        commits=(Commit(BEGIN, BEGIN, "jobs", 0, 7), Commit(LATER + 1, LATER + 1, "jobs", 0, 8)),
        calls=(a_call(),),
        ledger=(a_row(),),
        jobs=(JobRow(JOB, "succeeded"),),
        transcripts=(
            Transcript(
                "e1/1",
                JOB,
                a_log(),
                (Visit("ingress-1", BEGIN, BEGIN + 1, 200, 2), Visit("ingress-2", BEGIN + 1, LATER, 200, 2)),
                ended=True,
            ),
        ),
        logs={JOB: a_log()},
        lives=(a_life(), a_life("worker-2#1")),
    )


def tampered(**fields: object) -> Facts:
    return replace(good_run(), **fields)  # type: ignore[arg-type]
