"""May this caller ask for the model? A refusal reads like that of an unknown model."""

from services.ingress.admission.case import Case
from services.ingress.admission.guards.model_known import no_such_model
from services.ingress.admission.refusal import Refused

__all__ = ["model_allowed"]


def model_allowed(case: Case) -> Refused | None:
    return None if case.caller.may_ask_for(case.request.model) else no_such_model(case.request.model)
