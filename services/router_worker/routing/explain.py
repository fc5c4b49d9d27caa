"""Why was each deployment of a plan asked, or not? Pure: a plan and its calls in, a line for each deployment out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.router_worker.routing.plan import Candidate, Plan
from shared.contracts import PlanEntry, PlanVerdict

__all__ = ["Called", "Running", "explained"]


class Called(Protocol):
    """A call, as far as it has come."""

    @property
    def deployment(self) -> str: ...

    @property
    def error_kind(self) -> str | None: ...

    @property
    def status(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Running:
    """`Called`, though it has not ended."""

    deployment: str
    error_kind: str | None = None
    status: str = "running"


def explained(plan: Plan, calls: Sequence[Called]) -> tuple[PlanEntry, ...]:
    """In the order of the plan, and behind it those who were left out of it."""
    return (*_candidates(plan, calls), *_skipped(plan))


def _candidates(plan: Plan, calls: Sequence[Called]) -> Iterator[PlanEntry]:
    for index, candidate in enumerate(plan.candidates):
        outcomes = [call.error_kind or str(call.status) for call in calls if call.deployment == candidate.name]
        verdict = PlanVerdict.ASKED if outcomes else PlanVerdict.SPARE
        place = _place(plan, candidate, index)
        reason = f"{place}: {', then '.join(outcomes)}" if outcomes else place
        yield PlanEntry(deployment=candidate.name, model=candidate.serves, verdict=verdict, reason=reason)


def _place(plan: Plan, candidate: Candidate, index: int) -> str:
    if candidate.after:
        return f"fallback, only after {' or '.join(sorted(candidate.after))}"
    if candidate.serves != plan.model:
        return "fallback"
    return f"number {index + 1} by {plan.strategy}"


def _skipped(plan: Plan) -> Iterator[PlanEntry]:
    for skipped in plan.skipped:
        yield PlanEntry(
            deployment=skipped.name, model=skipped.serves, verdict=PlanVerdict.SKIPPED, reason=skipped.reason
        )
