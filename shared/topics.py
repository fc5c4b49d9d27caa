"""The wire on one screen: every topic, what it carries, how it is keyed, spread and kept. The only place of names."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal

from shared.contracts import (
    AttemptFinished,
    AuditAlert,
    AuditEntry,
    BatchLine,
    BudgetAlert,
    DeadLetter,
    Job,
    JobEnded,
    Lane,
)

__all__ = [
    "ALERTS",
    "AUDIT",
    "DEAD_LETTERS",
    "JOBS",
    "JOBS_BATCH",
    "JOBS_INTERACTIVE",
    "RESULTS",
    "SUBMIT",
    "TIERS",
    "TOPICS",
    "USAGE",
    "Tier",
    "Topic",
    "creation_config",
    "with_submit_topics",
]

_COMPACTION_LAG: Final = timedelta(days=1)

Contract = (
    type[AuditAlert]
    | type[AuditEntry]
    | type[BudgetAlert]
    | type[Job]
    | type[AttemptFinished]
    | type[JobEnded]
    | type[DeadLetter]
    | type[BatchLine]
)


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    contract: Contract
    key: Literal["job id", "tenant", "any", "origin"]
    partitions: int
    retention: timedelta
    purpose: str
    cleanup: Literal["delete", "compact,delete"] = "delete"
    """Compacted: of the records of a key only the last is kept, and none when that has no value."""
    also: tuple[Contract, ...] = ()
    """What else it carries; `type` tells which."""

    def at(self, prefix: str) -> str:
        """The name on a broker that several stacks share; the prefix is empty in production."""
        return prefix + self.name


@dataclass(frozen=True, slots=True)
class Tier:
    delay: timedelta
    topic: Topic


SUBMIT = Topic(
    "sluice.submit.v1", BatchLine, "any", 8, timedelta(days=3), "The public door: producers publish requests here."
)
JOBS_INTERACTIVE = Topic(
    "sluice.jobs.interactive.v1", Job, "job id", 8, timedelta(days=3), "Admitted jobs that somebody waits for."
)
JOBS_BATCH = Topic(
    "sluice.jobs.batch.v1",
    Job,
    "job id",
    8,
    timedelta(days=7),
    "Admitted jobs that may wait, a tenant's on few of the partitions.",
)
USAGE = Topic("sluice.usage.v1", AttemptFinished, "tenant", 8, timedelta(days=30), "One event per provider call.")
RESULTS = Topic("sluice.results.v1", JobEnded, "job id", 8, timedelta(days=7), "One event per ended job.")
TIERS = tuple(
    Tier(
        delay,
        Topic(
            f"sluice.jobs.deferred.{name}.v1",
            Job,
            "job id",
            4,
            timedelta(days=7),
            f"Jobs that must not begin yet, for {name} from their record's time; then they are placed anew.",
        ),
    )
    for name, delay in (
        ("5s", timedelta(seconds=5)),
        ("1m", timedelta(minutes=1)),
        ("10m", timedelta(minutes=10)),
        ("1h", timedelta(hours=1)),
    )
)
"""From the shortest to the longest. All records of a tier wait equally long, so none stands before one that is due."""

ALERTS = Topic(
    "sluice.alerts.v1",
    BudgetAlert,
    "tenant",
    1,
    timedelta(days=30),
    "Budgets that are spent up to a part, and books that do not agree.",
    also=(AuditAlert,),
)

DEAD_LETTERS = Topic(
    "sluice.dead-letters.v1",
    DeadLetter,
    "origin",
    2,
    timedelta(days=30),
    "Records nobody could work with, and why; a record without a value says that one was replayed or dropped.",
    cleanup="compact,delete",
)

AUDIT = Topic(
    "sluice.audit.v1",
    AuditEntry,
    "tenant",
    1,
    timedelta(days=365),
    "What administrators did, and whom ingress refused: chains of entries, as in the table `audit_log`.",
)

TOPICS = (
    SUBMIT,
    JOBS_INTERACTIVE,
    JOBS_BATCH,
    *(tier.topic for tier in TIERS),
    USAGE,
    RESULTS,
    ALERTS,
    DEAD_LETTERS,
    AUDIT,
)

JOBS = {Lane.INTERACTIVE: JOBS_INTERACTIVE, Lane.BATCH: JOBS_BATCH}


def with_submit_topics(bound: Iterable[str]) -> tuple[Topic, ...]:
    """The table, and the topics that a configuration binds to callers: those are made as the usual submit topic is."""
    return (*TOPICS, *(replace(SUBMIT, name=name) for name in bound if name != SUBMIT.name))


def creation_config(topic: Topic) -> dict[str, str]:
    """The broker-side settings of a topic, by Kafka's own names."""
    settings = {
        "retention.ms": str(int(topic.retention.total_seconds() * 1000)),
        "cleanup.policy": topic.cleanup,
    }
    if "compact" in topic.cleanup:
        # Otherwise a segment is compacted when it is full, which of dead letters it may never be.
        settings["max.compaction.lag.ms"] = str(_COMPACTION_LAG // timedelta(milliseconds=1))
    return settings
