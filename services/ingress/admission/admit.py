"""The decision: every guard is asked in order, and what none refuses becomes a job."""

from dataclasses import dataclass
from datetime import datetime

from services.ingress.admission.caller import Caller
from services.ingress.admission.case import Case
from services.ingress.admission.facts import Facts
from services.ingress.admission.guards import GUARDS
from services.ingress.admission.refusal import Refused
from services.ingress.admission.request import CompletionRequest
from shared.contracts import Job

__all__ = ["Admitted", "admit"]


@dataclass(frozen=True, slots=True)
class Admitted:
    job: Job


def admit(request: CompletionRequest, caller: Caller, facts: Facts, now: datetime) -> Admitted | Refused:
    case = Case(request, caller, facts, now)
    for guard in GUARDS:
        refused = guard(case)
        if refused is not None:
            return refused
    return Admitted(_job(request, caller, facts, now))


def _job(request: CompletionRequest, caller: Caller, facts: Facts, now: datetime) -> Job:
    begins = request.not_before if request.not_before and request.not_before > now else None
    return Job(
        id=facts.job,
        tenant=caller.tenant,
        team=caller.team,
        caller=caller.key_id,
        door=request.door,
        lane=request.lane,
        endpoint=request.endpoint,
        model=request.model,
        body=request.body,
        streamed=request.streamed,
        on_interrupt=request.on_interrupt or facts.on_interrupt,
        custom_id=request.custom_id,
        user=request.user,
        feature=request.feature,
        tags={**request.tags, **caller.tags} if caller.tags else request.tags,
        labels=request.labels,
        input_tokens=facts.input_tokens,
        accepted_at=now,
        deadline=(begins or now) + (request.deadline or facts.longest),
        not_before=begins,
    )
