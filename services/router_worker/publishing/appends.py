"""Which append calls carry what the journals have to say, and what do their replies mean? Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from services.router_worker.publishing.journal import Journal

__all__ = ["Part", "append_arguments", "batches_of", "take_append_reply"]

_ENTRIES_PER_CALL = 128


@dataclass(slots=True)
class Part:
    """Some consecutive entries of one journal, from number `start`."""

    journal: Journal
    start: int
    entries: list[bytes]


def batches_of(journals: Sequence[Journal], ending: Collection[Journal]) -> list[list[Part]]:
    """Calls of at most 128 entries, so that Redis is never held long; a long journal is split over several.

    One with nothing to say asks after its log, unless its end asks anyway.
    """
    batches: list[list[Part]] = []
    room, together = 0, ""
    for journal in sorted(journals, key=lambda journal: journal.keys.together):
        start = journal.written
        silent = start == len(journal.kept) and journal not in ending
        while start < len(journal.kept) or silent:
            if room == 0 or journal.keys.together != together:
                batches.append([])
                room, together = _ENTRIES_PER_CALL, journal.keys.together
            entries = journal.kept[start : start + room]
            batches[-1].append(Part(journal, start, entries))
            start += len(entries)
            room -= max(len(entries), 1)
            silent = False
    return batches


def take_append_reply(batch: list[Part], behind: list[Any], fenced: list[bytes], lengths: dict[Journal, int]) -> None:
    """Note which logs took their entries and which are behind, with their lengths."""
    if behind or fenced:
        by_id = {part.journal.job.id.encode(): part.journal for part in batch}
        for job, length in behind:
            lengths.setdefault(by_id[job], int(length))
        for job in fenced:
            by_id[job].fence()
    for part in batch:
        if part.journal not in lengths:
            part.journal.written = part.start + len(part.entries)


def append_arguments(batch: list[Part]) -> tuple[list[str], list[Any]]:
    keys: list[str] = []
    arguments: list[Any] = []
    for part in batch:
        journal = part.journal
        keys += [journal.keys.log, journal.keys.readers]
        arguments += [journal.job.id, journal.epoch, journal.base + part.start, journal.ttl_ms, len(part.entries)]
        for place, entry in enumerate(part.entries, part.start):
            arguments += [str(journal.cursor(place)), entry]
    return keys, arguments
