"""How one lane is consumed: its topics, its bounds, and what its records weigh."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from services.router_worker.scheduling.weighing import Weight, weigh
from services.router_worker.settings import OnStop

__all__ = ["Intake"]


def of_job(record: ConsumerRecord) -> Weight:
    """Of a record that holds a job."""
    return weigh(record.value or b"")


@dataclass(frozen=True, slots=True)
class Intake:
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
