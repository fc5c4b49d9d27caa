"""How is one lane consumed, and what does its subscriber work with?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import ConsumerRecord

from services.router_worker.consumption.commits import Commits, Register
from services.router_worker.consumption.ports import Crowds, IntakeMeasures, Seat
from services.router_worker.consumption.vigil import Patience
from services.router_worker.consumption.waiting_room import NO_CROWDS
from services.router_worker.scheduling.weighing import Weight, weigh
from services.router_worker.settings import OnStop

__all__ = ["DEFERRED", "Intake", "Parts", "in_tiers"]


DEFERRED: Final = "deferred"
"""What the lane of those that must not begin yet is called beside `interactive` and `batch`."""


def of_job(record: ConsumerRecord) -> Weight:
    """Of a record that holds a job."""
    return weigh(record.value or b"")


def in_tiers(delays: Mapping[str, timedelta]) -> Callable[[ConsumerRecord], Weight]:
    """Of a record whose topic keeps it for a time, counted from the record's own; `delays` are by topic."""

    def weigh_in_tier(record: ConsumerRecord) -> Weight:
        weight = of_job(record)
        over = datetime.fromtimestamp(record.timestamp / 1000, UTC) + delays[record.topic]
        return Weight(weight.tenant, 1, min(over, weight.not_before or over), weight.deadline)

    return weigh_in_tier


@dataclass(frozen=True, slots=True)
class Intake:
    """Its topics, its bounds, and what its records weigh."""

    topics: tuple[str, ...]
    group: str
    slots: int
    window: int = 12_000
    """How far a partition is read ahead of its watermark; bounds what waits in memory, and the bitmap of a commit."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Of tenants; 1 for one that is not named."""
    weigh: Callable[[ConsumerRecord], Weight] = of_job
    commit_seconds: float = 0.25
    drain_seconds: float = 20.0
    session_timeout_ms: int = 10_000
    heartbeat_interval_ms: int = 1_000
    on_stop: OnStop = OnStop.LEAVE
    patience: Patience = Patience()
    crowds: Crowds = NO_CROWDS


@dataclass(frozen=True, slots=True)
class Parts:
    commits: Commits
    register: Register
    seat: Seat
    measures: IntakeMeasures
