"""What happened, in numbers: counted from the evidence, for people and for JSON. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from cli.demonstration.evidence import Evidence, LedgerRow
from shared.contracts import AttemptStatus, Door, TokenUsage
from shared.job_log import EventType
from shared.money import Nanodollars

__all__ = ["Figures", "ModelFigures", "Percentiles", "figures_of", "percentiles"]


@dataclass(frozen=True, slots=True)
class Percentiles:
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class ModelFigures:
    model: str
    jobs: int
    calls: int
    usage: TokenUsage
    cost: Nanodollars


@dataclass(frozen=True, slots=True)
class Figures:
    accepted: Counter[Door]
    ended: Counter[str]
    """By status."""
    calls: Counter[str]
    """By status."""
    faults: Counter[str]
    """What providers were scripted to do wrong, and did."""
    retries: int
    """Calls made again at the same provider."""
    failovers: int
    """Calls made at another provider because one had failed."""
    restarts: int
    """Answers that readers saw begin again."""
    in_hand: int
    """Jobs that the killed worker was running."""
    taken_over: int
    readers: int
    resumed: int
    events: int
    models: tuple[ModelFigures, ...]
    first_token: Percentiles | None
    """As the submitters waited for it, in seconds."""
    providers_first_token: Percentiles | None
    """The part of it that the providers took."""

    @property
    def usage(self) -> TokenUsage:
        return sum((model.usage for model in self.models), start=TokenUsage())

    @property
    def cost(self) -> Nanodollars:
        return Nanodollars(sum(model.cost for model in self.models))


def figures_of(evidence: Evidence) -> Figures:
    jobs = {job.id: job for job in evidence.accepted}
    endings = evidence.ending_by_job()
    in_hand = {job for kill in evidence.kills for job in kill.jobs}
    readings = [reading for stream in evidence.streams for reading in stream.readings]
    followed = _next_calls(evidence.ledger)
    waits = [each.first_token_seconds for each in evidence.submissions if each.first_token_seconds is not None]
    own = [call.first_token_seconds for call in evidence.served if call.first_token_seconds is not None]
    return Figures(
        accepted=Counter(job.door for job in jobs.values()),
        ended=Counter(ending.status.value for ending in endings.values()),
        calls=Counter(row.status.value for row in evidence.ledger),
        faults=Counter(call.fault for call in evidence.served if call.fault is not None),
        retries=sum(first.provider == then.provider for first, then in followed),
        failovers=sum(first.provider != then.provider for first, then in followed),
        restarts=sum(event.type == EventType.RESTART for stream in evidence.streams for event in stream.log),
        in_hand=len(in_hand),
        taken_over=sum(job in endings and endings[job].epoch > 1 for job in in_hand),
        readers=len(readings),
        resumed=sum(reading.connections - 1 for reading in readings),
        events=sum(len(reading.events) for reading in readings),
        models=_by_model(evidence.ledger),
        first_token=percentiles(waits),
        providers_first_token=percentiles(own),
    )


def percentiles(seconds: Sequence[float]) -> Percentiles | None:
    """By nearest rank: each is one that was measured."""
    if not seconds:
        return None
    ranked = sorted(seconds)

    def at(percent: int) -> float:
        return ranked[max(-(-len(ranked) * percent // 100) - 1, 0)]

    return Percentiles(at(50), at(95))


def _next_calls(ledger: Sequence[LedgerRow]) -> list[tuple[LedgerRow, LedgerRow]]:
    """Each failed call with the one that followed it. A dead worker's calls did not fail: somebody else went on."""
    by_job = groupby(sorted(ledger, key=lambda row: (row.job, row.attempt)), key=lambda row: row.job)
    pairs = [pair for _, rows in by_job for pair in pairwise(rows)]
    return [(first, then) for first, then in pairs if first.status is AttemptStatus.FAILED]


def _by_model(ledger: Sequence[LedgerRow]) -> tuple[ModelFigures, ...]:
    found = []
    for model, rows in groupby(sorted(ledger, key=lambda row: row.model), key=lambda row: row.model):
        calls = list(rows)
        found.append(
            ModelFigures(
                model=model,
                jobs=len({row.job for row in calls}),
                calls=len(calls),
                usage=sum((row.usage for row in calls), start=TokenUsage()),
                cost=Nanodollars(sum(row.cost or 0 for row in calls)),
            )
        )
    return tuple(found)
