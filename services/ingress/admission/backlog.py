"""How long would a job of this tenant wait for a slot? Pure.

Theory. Workers divide their slots among the tenants that wait, by weight. So before the next job of a tenant begins,
all that this tenant has waiting must have begun, and of every other tenant no more than its weight gives it meanwhile,
nor more than it has. What stands before the job leaves at the fleet's pace: so many slots, each busy for so long with a
job. What was promised since the workers told is added, as far as they cannot have begun it yet.

It is an estimate, made of means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.load import LaneLoad

__all__ = ["Backlog", "Wait", "backlog_of", "foresee", "grown"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a lane, where jobs of one tenant may come to stand."""

    slots: int
    free: int
    job_seconds: float
    """How long a job keeps its slot."""
    waiting: Mapping[str, float] = field(default_factory=dict)
    """Jobs by tenant."""
    unnamed: float = 0
    """Jobs of whoever it may be: they stand before everybody."""


@dataclass(frozen=True, slots=True)
class Wait:
    """From acceptance to a slot."""

    expected: timedelta
    of_others: timedelta
    """What it would be if the tenant itself had nothing waiting."""
    running: timedelta = timedelta()
    """From the slot to the end, as jobs go lately."""
    workers: bool = True
    """Whether there are any. When there are none, nobody knows more than how long that has been so."""


def backlog_of(loads: Sequence[LaneLoad]) -> Backlog | None:
    """Of these workers together; None when none of them takes jobs."""
    loads = [load for load in loads if load.slots > 0]
    if not loads:
        return None
    slots = sum(load.slots for load in loads)
    waiting: dict[str, float] = {}
    for load in loads:
        for tenant, jobs in load.waiting.items():
            waiting[tenant] = waiting.get(tenant, 0) + jobs
    return Backlog(
        slots=slots,
        free=sum(load.free for load in loads),
        job_seconds=sum(load.job_seconds * load.slots for load in loads) / slots,
        waiting=waiting,
        unnamed=sum(load.unnamed for load in loads),
    )


def grown(backlog: Backlog, promised: Mapping[str, int], seconds: float) -> Backlog:
    """By what was `promised` to each tenant in the last `seconds`, less what the slots could begin in that time."""
    total = sum(promised.values())
    if total <= 0 or (left := total - seconds * _pace(backlog)) <= 0:
        return backlog
    waiting = dict(backlog.waiting)
    for tenant, jobs in promised.items():
        waiting[tenant] = waiting.get(tenant, 0) + jobs * left / total
    return replace(backlog, waiting=waiting)


def foresee(backlog: Backlog, tenant: str, weights: Mapping[str, int]) -> Wait:
    """The wait of the tenant's next job. A tenant without a weight has the weight 1."""
    own = backlog.waiting.get(tenant, 0)
    return Wait(
        _until(backlog, tenant, own, weights),
        _until(backlog, tenant, 0, weights),
        running=timedelta(seconds=backlog.job_seconds),
    )


def _until(backlog: Backlog, tenant: str, own: float, weights: Mapping[str, int]) -> timedelta:
    """Until a job begins that has `own` jobs of its tenant before it."""
    turns = (own + 1) / weights.get(tenant, 1)
    others = sum(min(jobs, turns * weights.get(other, 1)) for other, jobs in backlog.waiting.items() if other != tenant)
    # The job itself needs a slot, too.
    before = own + others + backlog.unnamed + 1 - backlog.free
    return timedelta(seconds=max(0.0, before) / _pace(backlog))


def _pace(backlog: Backlog) -> float:
    """Jobs that begin in a second while some wait."""
    return backlog.slots / max(backlog.job_seconds, 0.001)
