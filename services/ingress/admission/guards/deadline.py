"""Is the deadline the caller names within what its lane allows?"""

from services.ingress.admission.case import Case
from services.ingress.admission.refusal import Reason, Refused

__all__ = ["deadline"]


def deadline(case: Case) -> Refused | None:
    if case.request.deadline is None or case.request.deadline <= case.facts.longest:
        return None
    asked, longest = case.request.deadline.total_seconds(), case.facts.longest.total_seconds()
    return Refused(
        Reason.DEADLINE_TOO_FAR,
        f"The deadline of {asked:g} s is too far: jobs of the lane '{case.request.lane}' may take {longest:g} s.",
        "deadline",
    )
