"""How long would a job of this tenant wait for a slot, and for its model? Pure.

Theory. Workers divide their slots among the tenants that wait, by weight. So before the next job of a tenant begins,
all that this tenant has waiting must have begun, and of every other tenant no more than its weight gives it meanwhile,
nor more than it has. What stands before the job leaves at the fleet's pace: so many slots, each busy for so long with a
job. A model that is at its limit has a line of its own, which leaves as its providers let it, whatever slots are free.
What was promised since the workers told is added to these lines, as far as they cannot have got shorter since.

It is an estimate, made of means.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.load import LaneLoad

__all__ = ["Backlog", "Line", "Promises", "Wait", "backlog_of", "foresee", "grown"]

Promises = Mapping[tuple[str, str], int]
"""Jobs by tenant and model."""


@dataclass(frozen=True, slots=True)
class Line:
    """What waits for the same thing."""

    per_second: float
    """How many leave it."""
    waiting: Mapping[str, float] = field(default_factory=dict)
    """Jobs by tenant."""
    unnamed: float = 0
    """Jobs of whoever it may be: they stand before everybody."""
    free: int = 0
    """How many could leave at once."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a lane, where jobs of one tenant may come to stand."""

    slots: Line
    job_seconds: float
    """How long a job keeps its slot."""
    models: Mapping[str, Line] = field(default_factory=dict)
    """Those at their limit."""


@dataclass(frozen=True, slots=True)
class Wait:
    """From acceptance to the beginning."""

    expected: timedelta
    of_others: timedelta
    """What it would be if the tenant itself had nothing waiting."""
    running: timedelta = timedelta()
    """From the beginning to the end, as jobs go lately."""
    workers: bool = True
    """Whether there are any. When there are none, nobody knows more than how long that has been so."""


def backlog_of(loads: Sequence[LaneLoad]) -> Backlog | None:
    """Of these workers together; None when none of them takes jobs."""
    loads = [load for load in loads if load.slots > 0]
    if not loads:
        return None
    slots = sum(load.slots for load in loads)
    job_seconds = max(sum(load.job_seconds * load.slots for load in loads) / slots, 0.001)
    held_back = [each for load in loads for each in load.held_back.items()]
    return Backlog(
        slots=Line(
            per_second=slots / job_seconds,
            waiting=_together(load.waiting for load in loads),
            unnamed=sum(load.unnamed for load in loads),
            free=sum(load.free for load in loads),
        ),
        job_seconds=job_seconds,
        models={
            model: Line(
                per_second=max(sum(held.per_second for name, held in held_back if name == model), 0.001),
                waiting=_together(held.waiting for name, held in held_back if name == model),
                unnamed=sum(held.unnamed for name, held in held_back if name == model),
            )
            for model, _ in held_back
        },
    )


def grown(backlog: Backlog, promised: Promises, seconds: float) -> Backlog:
    """By what was `promised` in the last `seconds`."""
    for_slots: Counter[str] = Counter()
    for_models: dict[str, Counter[str]] = {model: Counter() for model in backlog.models}
    for (tenant, model), jobs in promised.items():
        for_models.get(model, for_slots)[tenant] += jobs
    return replace(
        backlog,
        slots=_longer(backlog.slots, for_slots, seconds),
        models={model: _longer(line, for_models[model], seconds) for model, line in backlog.models.items()},
    )


def foresee(backlog: Backlog, tenant: str, model: str, weights: Mapping[str, int]) -> Wait:
    """The wait of the tenant's next job for the model. A tenant without a weight has the weight 1."""
    lines = [backlog.slots, *(line for name, line in backlog.models.items() if name == model)]
    return Wait(
        expected=max(_until(line, tenant, line.waiting.get(tenant, 0), weights) for line in lines),
        of_others=max(_until(line, tenant, 0, weights) for line in lines),
        running=timedelta(seconds=backlog.job_seconds),
    )


def _together(counts: Iterable[Mapping[str, int]]) -> dict[str, float]:
    waiting: dict[str, float] = {}
    for each in counts:
        for tenant, jobs in each.items():
            waiting[tenant] = waiting.get(tenant, 0) + jobs
    return waiting


def _longer(line: Line, promised: Mapping[str, int], seconds: float) -> Line:
    total = sum(promised.values())
    if total <= 0 or (left := total - seconds * line.per_second) <= 0:
        return line
    waiting = dict(line.waiting)
    for tenant, jobs in promised.items():
        waiting[tenant] = waiting.get(tenant, 0) + jobs * left / total
    return replace(line, waiting=waiting)


def _until(line: Line, tenant: str, own: float, weights: Mapping[str, int]) -> timedelta:
    """Until a job leaves the line that has `own` jobs of its tenant before it."""
    turns = (own + 1) / weights.get(tenant, 1)
    others = sum(min(jobs, turns * weights.get(other, 1)) for other, jobs in line.waiting.items() if other != tenant)
    # The job itself leaves, too.
    before = own + others + line.unnamed + 1 - line.free
    return timedelta(seconds=max(0.0, before) / line.per_second)
