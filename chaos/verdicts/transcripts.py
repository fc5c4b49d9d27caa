"""Is what each reader got together the job's log, and is the text that it was left with one attempt's?

Theory. A log is a run of entries per epoch, numbered from 1. A reader that began at the beginning must hold them all,
in order; which it must even where Valkey has forgotten the log meanwhile, since its worker refills it. Only the end may
then come from the stored result, whose number lies behind every other. `restart` voids what was shown before it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import orjson

from chaos.facts import Event, Facts, Transcript
from chaos.timeline import Timeline
from chaos.verdicts.endings import endings_by_job
from chaos.verdicts.verdict import Finding, Verdict

__all__ = ["STORED_SEQ", "transcript_findings", "transcripts_are_the_log"]

STORED_SEQ = 999_999_999_999
"""Of an end that comes from the stored result."""

_TERMINAL = frozenset({"done", "error", "cancelled", "expired"})
_DONE = "done"


@dataclass(frozen=True, slots=True)
class _Known:
    """What else is known of the job."""

    log: tuple[Event, ...]
    texts: frozenset[str]
    """Of its ends: one, unless Valkey forgot the first."""
    forgotten: bool
    """Whether Valkey may have lost a part of the log."""


def transcripts_are_the_log(facts: Facts) -> Verdict:
    findings = transcript_findings(facts)
    resumed = sum(transcript.resumed for transcript in facts.transcripts)
    events = sum(len(transcript.events) for transcript in facts.transcripts)
    figure = f"{len(facts.transcripts)} readers, {resumed} times resumed, {events} events"
    return Verdict("every reader got the log, whole and in order", figure, tuple(found for _, found in findings))


def transcript_findings(facts: Facts) -> list[tuple[Transcript, Finding]]:
    known = _all_known(facts)
    return [
        (transcript, Finding(f"{transcript.reader}: {what}", transcript.job))
        for transcript in facts.transcripts
        for what in _wrong(transcript, known[transcript.job])
    ]


def _all_known(facts: Facts) -> Mapping[str, _Known]:
    timeline, endings = Timeline(facts), endings_by_job(facts)
    began = {record.job: record.accepted_at for record in facts.accepted}
    last = max((strike.ended_at for strike in facts.strikes), default=0.0)
    known: dict[str, _Known] = defaultdict(lambda: _Known((), frozenset(), forgotten=True))
    for job, accepted_at in began.items():
        texts = frozenset(ending.text for ending in endings.get(job, ()))
        known[job] = _Known(facts.logs.get(job, ()), texts, timeline.forgot(accepted_at, max(last, accepted_at)))
    return known


def _wrong(transcript: Transcript, known: _Known) -> Iterator[str]:
    if not transcript.ended:
        last = transcript.events[-1].id if transcript.events else "the beginning"
        yield f"was never told the end; it stopped at {last}"
    if transcript.events:
        yield from _order(transcript.events)
        yield from _holes(transcript.events, known)
        yield from _text(transcript.events, known)
    if transcript.shown:
        yield from _shown(transcript, known)


def _order(events: Sequence[Event]) -> Iterator[str]:
    for before, after in pairwise(map(_place, events)):
        if after <= before:
            yield f"got {_named(after)} behind {_named(before)}"
        elif after[0] == before[0] and after[1] not in (before[1] + 1, STORED_SEQ):
            yield f"lost what lies between {_named(before)} and {_named(after)}"
        elif after[0] > before[0] and after[1] not in (1, STORED_SEQ):
            yield f"lost the beginning of epoch {after[0]}, before {_named(after)}"
    for event in events[:-1]:
        if event.type in _TERMINAL:
            yield f"was told the end ({event.id}) and got more"


def _holes(events: Sequence[Event], known: _Known) -> Iterator[str]:
    """Against the log as it is now. What Valkey lost for good nobody can compare."""
    got = {event.id: event for event in events}
    last = _place(events[-1])
    for entry in known.log:
        event = got.get(entry.id)
        if event is None:
            # A log may be rewritten behind a reader that was told the end before; `_order` sees all other holes.
            if _place(entry) < last and not known.forgotten:
                yield f"lost {entry.id}"
        elif (event.type, event.data) != (entry.type, entry.data):
            yield f"{entry.id} was another for it than it is in the log"


def _text(events: Sequence[Event], known: _Known) -> Iterator[str]:
    end = events[-1]
    if end.type != _DONE or not known.texts:
        return
    result = orjson.loads(end.data)["response"]["choices"][0]["message"]["content"] or ""
    if result not in known.texts:
        yield "was told another result than Kafka"
    shown = _shown_text(events)
    if _place(end)[1] == STORED_SEQ:
        return  # the log was lost behind the end: the whole text is in the result, and only there
    if any(event.type == "delta" for event in events) and shown != result:
        yield f"was shown {len(shown)} characters that are not the result's {len(result)}"


def _shown_text(events: Sequence[Event]) -> str:
    pieces: list[str] = []
    for event in events:
        if event.type == "restart":
            pieces.clear()
        elif event.type == "delta":
            pieces += [choice["delta"].get("content") or "" for choice in orjson.loads(event.data)["choices"]]
    return "".join(pieces)


def _shown(transcript: Transcript, known: _Known) -> Iterator[str]:
    """What a chat client was shown is what the log begins with, as far as it stayed."""
    if known.forgotten:
        return
    log = transcript.events or known.log
    deltas = [event.data for event in log if event.type == "delta"]
    chunks = [chunk for chunk in transcript.shown if b'"sluice":{"event":"restart"}' not in chunk]
    if chunks != deltas[: len(chunks)]:
        yield "was shown as a chat what the log does not say"
    if not transcript.events and len(chunks) != len(deltas):
        yield f"was shown {len(chunks)} chunks of {len(deltas)}, and then that it was all"


def _place(event: Event) -> tuple[int, int]:
    epoch, _, seq = event.id.partition("-")
    return int(epoch), int(seq)


def _named(place: tuple[int, int]) -> str:
    return f"{place[0]}-{place[1]}"
