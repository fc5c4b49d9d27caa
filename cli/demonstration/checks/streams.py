"""Did every reader get every event, once and in order, however often it dropped? Compared with the log itself."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cli.demonstration.checks.verdict import Verdict
from cli.demonstration.evidence import Event, Evidence, JobStream, Reading
from shared.job_log import EventType, parse_cursor

__all__ = ["no_event_lost_or_repeated"]


def no_event_lost_or_repeated(evidence: Evidence) -> Verdict:
    readings = [reading for stream in evidence.streams for reading in stream.readings]
    resumed = sum(reading.connections - 1 for reading in readings)
    events = sum(len(reading.events) for reading in readings)
    faults = [fault for stream in evidence.streams for fault in _faults(stream)]
    if not resumed:
        faults.append("no reader ever had to resume")
    finding = f"{len(readings)} readers, {resumed} resumed connections, {events:,} events"
    return Verdict("no stream lost, repeated or reordered an event", finding, tuple(faults))


def _faults(stream: JobStream) -> Iterator[str]:
    yield from (f"{stream.job}: its log {fault}" for fault in _log_faults(stream.log))
    for reading in stream.readings:
        yield from (f"{stream.job}: {reading.reader} {fault}" for fault in _reading_faults(stream.log, reading))


def _log_faults(log: Sequence[Event]) -> Iterator[str]:
    """The log is the measure of the readers, so it has to be sound itself."""
    places = [parse_cursor(event.id) for event in log]
    for before, after in pairwise(places):
        if before is None or after is None or after <= before:
            yield f"has {after} behind {before}"
    ends = [event for event in log if EventType(event.type).is_terminal]
    if len(ends) != 1 or log[-1] is not ends[0]:
        yield f"has {len(ends)} terminal events, or one that is not its last"


def _reading_faults(log: Sequence[Event], reading: Reading) -> Iterator[str]:
    begin = _place_behind(log, reading.after)
    if begin is None:
        yield f"began behind {reading.after}, which is not in the log"
        return
    due = log[begin:]
    if reading.events == tuple(due):
        return
    seen = [event.id for event in reading.events]
    lost = [event.id for event in due if event.id not in set(seen)]
    repeated = sorted({each for each in seen if seen.count(each) > 1})
    strange = [each for each in seen if each not in {event.id for event in due}]
    found = False
    for word, ids in (("lost", lost), ("got twice", repeated), ("got what is not in the log:", strange)):
        if ids:
            found = True
            yield f"{word} {', '.join(ids[:5])}{f' and {len(ids) - 5} more' if len(ids) > 5 else ''}"
    if not found:
        yield _first_difference(due, reading.events)


def _place_behind(log: Sequence[Event], after: str | None) -> int | None:
    if after is None:
        return 0
    return next((at + 1 for at, event in enumerate(log) if event.id == after), None)


def _first_difference(due: Sequence[Event], seen: Sequence[Event]) -> str:
    for expected, found in zip(due, seen, strict=True):
        if expected.id != found.id:
            return f"got {found.id} where {expected.id} was due"
        if expected != found:
            return f"got other data under {found.id} than the log has"
    raise AssertionError("called for two equal sequences")
