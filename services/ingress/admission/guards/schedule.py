"""Is the job scheduled no further ahead than the configuration allows?"""

from services.ingress.admission.case import Case
from services.ingress.admission.refusal import Reason, Refused

__all__ = ["schedule"]


def schedule(case: Case) -> Refused | None:
    begins, latest = case.request.not_before, case.now + case.facts.schedule
    if begins is None or begins <= latest:
        return None
    return Refused(
        Reason.SCHEDULE_TOO_FAR,
        f"A job may be scheduled {case.facts.schedule.total_seconds():g} s ahead at most.",
        "not_before",
    )
