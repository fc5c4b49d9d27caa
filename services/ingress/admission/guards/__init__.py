"""The questions admission asks, in this order; the first refusal counts. A new one is a file and a line here."""

from collections.abc import Callable
from typing import Final

from services.ingress.admission.case import Case
from services.ingress.admission.guards.budget import budget
from services.ingress.admission.guards.context_length import context_length
from services.ingress.admission.guards.deadline import deadline
from services.ingress.admission.guards.endpoint import endpoint
from services.ingress.admission.guards.in_time import in_time
from services.ingress.admission.guards.lane_allowed import lane_allowed
from services.ingress.admission.guards.max_output import max_output
from services.ingress.admission.guards.model_allowed import model_allowed
from services.ingress.admission.guards.model_known import model_known
from services.ingress.admission.guards.rate import rate
from services.ingress.admission.guards.schedule import schedule
from services.ingress.admission.refusal import Refused

__all__ = ["GUARDS", "Guard"]

Guard = Callable[[Case], Refused | None]

GUARDS: Final[tuple[Guard, ...]] = (
    model_known,
    model_allowed,
    endpoint,
    lane_allowed,
    deadline,
    schedule,
    max_output,
    context_length,
    in_time,
    rate,
    budget,
)
