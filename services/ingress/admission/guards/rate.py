"""Can the job ever keep to the limits on its way? Whether it can now, the buckets say when it takes from them."""

from services.ingress.admission.case import Case
from services.ingress.admission.pace import larger_than_rate
from services.ingress.admission.refusal import Refused

__all__ = ["rate"]


def rate(case: Case) -> Refused | None:
    pace = case.facts.pace
    if pace is None or pace.patience is not None:
        return None
    too_small = (scope for scope in pace.scopes if scope.tokens is not None and scope.tokens < pace.tokens)
    scope = next(too_small, None)
    return None if scope is None else larger_than_rate(pace, scope)
