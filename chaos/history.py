"""All that is known of one job, in the order in which it happened: what each witness saw, and what broke near it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from chaos.facts import Accepted, Facts, Transcript
from chaos.verdicts.commits import first_coverings

__all__ = ["Logs", "history"]

_NEAR_SECONDS: Final = 10.0
_DULL: Final = frozenset({"at", "level", "event", "job", "job_id", "service"})
_JOB_ID: Final = re.compile(rb"job_[0-9a-f]{32}")


class Moment(NamedTuple):
    at: float
    who: str
    what: str


@dataclass(frozen=True)
class Logs:
    """What the processes wrote, by job."""

    lines: Mapping[str, tuple[Moment, ...]]

    @classmethod
    def read(cls, folder: Path, jobs: Iterable[str]) -> "Logs":
        wanted = {job.encode() for job in jobs}
        lines: dict[str, list[Moment]] = {}
        for file in sorted(folder.glob("*.log")):
            for line in file.read_bytes().splitlines():
                for job in wanted & set(_JOB_ID.findall(line)):
                    lines.setdefault(job.decode(), []).extend(_logged(file.stem, line))
        return cls({job: tuple(told) for job, told in lines.items()})


def history(facts: Facts, logs: Logs, claims: Mapping[str, Mapping[str, str]], job: str) -> list[str]:
    """Lines for people; times are seconds since the job was accepted."""
    record = next((each for each in facts.accepted if each.job == job), None)
    moments = [*_told_of(facts, job), *logs.lines.get(job, ())]
    if record is not None:
        moments += _queued(facts, record)
    begin = record.accepted_at if record is not None else min((moment.at for moment in moments), default=0.0)
    end = max((moment.at for moment in moments), default=begin)
    moments += [
        Moment(strike.began_at, "FAULT", f"{strike.fault}, over at {strike.ended_at - begin:+.2f} {strike.note}")
        for strike in facts.strikes
        if strike.began_at <= end + 1 and strike.ended_at >= begin - _NEAR_SECONDS
    ]
    lines = [f"{moment.at - begin:+9.3f}  {moment.who:<14} {moment.what}" for moment in sorted(moments)]
    claim = claims.get(job, {})
    kept = {name: value if len(value) < 200 else f"{value[:200]}..." for name, value in claim.items()}
    return [
        f"{job}:",
        *lines,
        f"           claim now      {kept or 'none'}",
        f"           log now        {_log(facts, job)}",
    ]


def _told_of(facts: Facts, job: str) -> Iterator[Moment]:
    name = next((each.name for each in facts.accepted if each.job == job), None)
    for each in facts.submissions:
        if each.job == job or (name is not None and each.name == name):
            yield Moment(each.sent_at, "submitter", f"{each.kind} {each.name} of {each.model}: {each.fate} {each.told}")
            if each.cancelled_at is not None:
                yield Moment(each.cancelled_at, "submitter", "cancels")
    yield from _by_the_provider(facts, job)
    for ending in facts.endings:
        if ending.job == job:
            told = f"{ending.status} in epoch {ending.epoch}, {len(ending.text)} characters {ending.error or ''}"
            yield Moment(ending.appended_at, "results topic", told)
    for transcript in facts.transcripts:
        if transcript.job == job:
            yield from _read(transcript)


def _by_the_provider(facts: Facts, job: str) -> Iterator[Moment]:
    """What it served, and what the ledger says of that."""
    for call in facts.calls:
        if call.job == job:
            number = (call.attempt_id or "").rpartition(".")[2]
            yield Moment(call.started_at, "provider", f"call {number} by {call.life}, to be broken by {call.fault}")
            yield Moment(
                call.ended_at,
                "provider",
                f"call {number} by {call.life} {call.finished}: {call.input_tokens} + {call.output_tokens} tokens",
            )
    for row in facts.ledger:
        if row.job == job:
            told = f"attempt {row.attempt} of epoch {row.epoch}: {row.status}, {row.usage.input} + {row.usage.output}"
            yield Moment(row.recorded_at, "ledger", f"{told} ({row.usage_source})")


def _read(transcript: Transcript) -> Iterator[Moment]:
    for visit in transcript.visits:
        got = [event for event in transcript.events if visit.began_at <= event.at <= visit.ended_at]
        which = f": {got[0].id} to {got[-1].id}" if got else ""
        told = f"at {visit.ingress} for {visit.ended_at - visit.began_at:.2f} s: {visit.status}, {visit.events} events"
        yield Moment(visit.began_at, transcript.reader, told + which)


def _queued(facts: Facts, record: Accepted) -> Iterator[Moment]:
    where = f"{record.place.topic}/{record.place.partition}@{record.place.offset}"
    yield Moment(record.accepted_at, "jobs topic", f"{where}, deadline {record.deadline - record.accepted_at:+.1f}")
    commit = first_coverings(facts).get(record)
    if commit is not None:
        yield Moment(commit.answered_at, "broker", "its offset is committed")


def _logged(service: str, line: bytes) -> Iterator[Moment]:
    try:
        told = orjson.loads(line)
        at = datetime.fromisoformat(told["at"]).timestamp()
    except (ValueError, KeyError, TypeError):
        return
    rest = " ".join(f"{name}={str(value)[:120]}" for name, value in told.items() if name not in _DULL)
    yield Moment(at, service, f"{told.get('event')} {rest}")


def _log(facts: Facts, job: str) -> str:
    """Its shape: `0-1 accepted, 1-1 started, 1-2..1-9 delta`."""
    parts = []
    for kind, run in groupby(facts.logs.get(job, ()), key=lambda event: event.type):
        ids = [event.id for event in run]
        parts.append(f"{ids[0]}{f'..{ids[-1]}' if len(ids) > 1 else ''} {kind}")
    return ", ".join(parts) or "none"
