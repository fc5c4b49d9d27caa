"""May this caller use the lane?"""

from services.ingress.admission.case import Case
from services.ingress.admission.refusal import Reason, Refused

__all__ = ["lane_allowed"]


def lane_allowed(case: Case) -> Refused | None:
    if case.request.lane in case.caller.lanes:
        return None
    allowed = ", ".join(sorted(case.caller.lanes)) or "none"
    return Refused(
        Reason.LANE_NOT_ALLOWED, f"This key may not use the lane '{case.request.lane}'; it may use: {allowed}.", "lane"
    )
