"""Can the job end before its deadline, with all that waits before it?

A job is expected to run as long as jobs did lately, but no longer than half of the time it has: whoever asks for
something quick may know better. Where nothing waits nothing is refused.

A record of a submit topic is never refused for this: nobody waits at its door who could come again later.
"""

import math
from datetime import timedelta
from typing import Final

from services.ingress.admission.case import Case
from services.ingress.admission.refusal import Reason, Refused
from shared.contracts import Door

__all__ = ["in_time"]

_LATEST_RETRY: Final = timedelta(hours=1)
_RETRY_WITHOUT_WORKERS: Final = timedelta(seconds=10)


def in_time(case: Case) -> Refused | None:
    wait = case.facts.wait
    if wait is None or case.request.door is Door.TOPIC:
        return None
    time_left = _time_left(case)
    must_begin_within = time_left - min(wait.running, time_left / 2)
    if wait.expected <= must_begin_within:
        return None
    if not wait.workers:
        return Refused(
            Reason.NO_WORKERS,
            f"There has been no worker for {_seconds(wait.expected)} s, and this job must end within "
            f"{_seconds(time_left)} s.",
            retry_after=_RETRY_WITHOUT_WORKERS,
        )
    is_own = wait.of_others <= must_begin_within
    whose = "yours" if is_own else "others"
    return Refused(
        Reason.OWN_BACKLOG if is_own else Reason.OVERLOADED,
        f"The lane '{case.request.lane}' is full: {whose} before this job take about {_seconds(wait.expected)} s, "
        f"and it must end within {_seconds(time_left)} s.",
        # Until then the backlog is short enough, if nothing is added to it.
        retry_after=min(wait.expected - must_begin_within, _LATEST_RETRY),
    )


def _time_left(case: Case) -> timedelta:
    begins = case.request.not_before
    sleep = max(begins - case.now, timedelta()) if begins else timedelta()
    return sleep + (case.request.deadline or case.facts.longest)


def _seconds(span: timedelta) -> int:
    return math.ceil(span.total_seconds())
