"""May this much money be spent? By a job at all; whether there is enough left, the book says when it is reserved."""

from services.ingress.admission.case import Case
from services.ingress.admission.money import exhausted
from services.ingress.admission.refusal import Reason, Refused

__all__ = ["budget"]


def budget(case: Case) -> Refused | None:
    demand = case.facts.demand
    if demand is None:
        return None
    if demand.nanodollars is None:
        return _unpriced(case.request.model) if demand.refused_without_price else None
    for rule in demand.rules:
        if demand.nanodollars > rule.limit:
            return exhausted(demand, rule, case.now)
    return None


def _unpriced(model: str) -> Refused:
    return Refused(
        Reason.PRICE_UNKNOWN,
        f"Nobody knows what the model `{model}` costs, and a budget of this key does not allow that.",
        "model",
    )
