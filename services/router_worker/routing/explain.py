"""Why was each deployment of a plan asked, or not? Pure: a plan and its calls in, a line for each deployment out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from types import MappingProxyType
from typing import Final, Protocol

from services.router_worker.resilience.not_now import NotNow
from services.router_worker.routing.plan import Candidate, Plan
from services.router_worker.routing.steps import Openings
from shared.contracts import PlanEntry, PlanVerdict

__all__ = ["Called", "Running", "explained", "met_by"]

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Called(Protocol):
    """A call, as far as it has come."""

    @property
    def deployment(self) -> str: ...

    @property
    def provider_key(self) -> str | None: ...

    @property
    def error_kind(self) -> str | None: ...

    @property
    def status(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Running:
    """`Called`, though it has not ended."""

    deployment: str
    provider_key: str | None = None
    error_kind: str | None = None
    status: str = "running"


def met_by(openings: Openings) -> dict[str, str]:
    """What keeps a job from a deployment at this moment, in words; by the deployment's name."""
    return dict.fromkeys(openings.full, "all its places were taken") | {
        name: _not_now(obstacle) for name, obstacle in openings.parked.items()
    }


def explained(plan: Plan, calls: Sequence[Called], met: Mapping[str, str] = _NOTHING) -> tuple[PlanEntry, ...]:
    """In the order of the plan, and behind it those who were left out of it. `met` is what kept the job from them."""
    return (*_candidates(plan, calls, met), *_skipped(plan))


def _not_now(obstacle: NotNow) -> str:
    return f"not before {obstacle.until.astimezone(UTC):%H:%M:%SZ}, {obstacle.because.kind}: {obstacle.because.message}"


def _candidates(plan: Plan, calls: Sequence[Called], met: Mapping[str, str]) -> Iterator[PlanEntry]:
    for index, candidate in enumerate(plan.candidates):
        outcomes = [_outcome(call) for call in calls if call.deployment == candidate.name]
        verdict = PlanVerdict.ASKED if outcomes else PlanVerdict.SPARE
        place = _place(plan, candidate, index)
        said = ", then ".join(outcomes) or met.get(candidate.name)
        reason = f"{place}: {said}" if said else place
        yield PlanEntry(deployment=candidate.name, model=candidate.serves, verdict=verdict, reason=reason)


def _outcome(call: Called) -> str:
    outcome = call.error_kind or str(call.status)
    return outcome if call.provider_key is None else f"{outcome} with key {call.provider_key}"


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
