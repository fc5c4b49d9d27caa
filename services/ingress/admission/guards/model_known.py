"""Is the model served here?"""

from services.ingress.admission.case import Case
from services.ingress.admission.refusal import Reason, Refused

__all__ = ["model_known", "no_such_model"]


def model_known(case: Case) -> Refused | None:
    return no_such_model(case.request.model) if case.facts.model is None else None


def no_such_model(model: str) -> Refused:
    return Refused(
        Reason.MODEL_NOT_FOUND, f"The model `{model}` does not exist or you do not have access to it.", "model"
    )
