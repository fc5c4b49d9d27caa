"""Which jobs could not end well, whatever Sluice did? Those whose workers died again and again, until they or their
time were given up."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from chaos.facts import Accepted, Call, Ending, Facts
from chaos.timeline import Timeline
from shared.contracts import JobStatus

__all__ = ["Excuses"]

_MOST_DEATHS: Final = 3
"""So many workers may die while they run a job; then it is taken for what kills them."""
_GIVEN_UP: Final = "worker_crashed"


class Excuses:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._timeline = Timeline(facts)

    @cached_property
    def _calls(self) -> Mapping[str, Sequence[Call]]:
        found: dict[str, list[Call]] = defaultdict(list)
        for call in self._facts.calls:
            found[call.job].append(call)
        return found

    def is_given_up(self, job: Accepted, ending: Ending) -> bool:
        """Whether it ended as what kills its workers, and so many did die, all but one of them in a call for it.

        The last may have died before it called.
        """
        if ending.status is not JobStatus.FAILED or not (ending.error or "").startswith(_GIVEN_UP):
            return False
        died = self._timeline.deaths(job.accepted_at, ending.appended_at)
        return died >= _MOST_DEATHS and self._orphaned(job, ending) >= _MOST_DEATHS - 1

    def ran_out_of_time(self, job: Accepted, ending: Ending) -> bool:
        """Whether it expired, and a call for it had lost its worker or its way."""
        if ending.status is not JobStatus.EXPIRED:
            return False
        return self._orphaned(job, ending) > 0 or any(
            self._timeline.provider_was_cut_off(call.life, call.started_at, call.ended_at)
            for call in self._calls.get(job.job, ())
        )

    def _orphaned(self, job: Accepted, ending: Ending) -> int:
        calls = self._calls.get(job.job, ())
        return sum(self._timeline.away(call.life, call.started_at, ending.appended_at) is not None for call in calls)
