"""Can the model give as much output as is asked for?"""

from services.ingress.admission.case import Case
from services.ingress.admission.refusal import Reason, Refused

__all__ = ["max_output"]


def max_output(case: Case) -> Refused | None:
    limit = case.facts.model.max_output_tokens if case.facts.model else None
    asked = case.request.output_tokens
    if limit is None or asked is None or asked <= limit:
        return None
    return Refused(
        Reason.OUTPUT_TOO_LONG,
        f"max_tokens is too large: {asked}. This model supports at most {limit} completion tokens, "
        f"whereas you provided {asked}.",
        "max_tokens",
    )
