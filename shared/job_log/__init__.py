"""The job log and the claim in Redis: names, entries and the Lua that both sides run. Theory: `docs/job-log.md`."""

from shared.job_log.entries import START, Cursor, Entry, EventType, encode_entry, parse_cursor, parse_entry
from shared.job_log.facts import JobFacts, PlanNoted, accepted_entry, facts_of
from shared.job_log.keys import JobKeys, Keyspace
from shared.job_log.scripts import (
    ABANDON,
    ACCEPT,
    APPEND,
    BEGIN,
    CANCEL,
    END,
    FOLLOW,
    HAND_OVER,
    LIVES,
    REMEMBER,
    RESTORE,
    TAKE,
)

__all__ = [
    "ABANDON",
    "ACCEPT",
    "APPEND",
    "BEGIN",
    "CANCEL",
    "END",
    "FOLLOW",
    "HAND_OVER",
    "LIVES",
    "REMEMBER",
    "RESTORE",
    "START",
    "TAKE",
    "Cursor",
    "Entry",
    "EventType",
    "JobFacts",
    "JobKeys",
    "Keyspace",
    "PlanNoted",
    "accepted_entry",
    "encode_entry",
    "facts_of",
    "parse_cursor",
    "parse_entry",
]
