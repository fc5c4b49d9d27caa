"""Do the topics say what the ledger says? Events and ends of jobs are compared with its rows, batch by batch. Pure.

Of a call is remembered that it was told, whether an event agreed with its row, and what was said of one that accounting
was not past: in memory that is given beforehand, because there may be millions. Differences are remembered whole, but
only so many: as many are as bad as more.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from services.accounting.auditing.seen import Seen
from services.accounting.ledger.agreement import Attempt, Difference, Recorded
from shared.contracts import AttemptFinished, JobEnded, TokenUsage

__all__ = ["Ended", "Told", "UsageCheck", "ends_compared"]

_USAGE: Final = "usage topic, usage_ledger"
_RESULTS: Final = "results topic, usage_ledger"
_MOST: Final = 1000


class Told(NamedTuple):
    event: AttemptFinished
    is_due: bool
    """Whether accounting has already been past it."""


class Ended(NamedTuple):
    """What of a job's end is compared: without what it answered."""

    job_id: str
    attempts: tuple[int, ...]
    usage: TokenUsage

    @classmethod
    def of(cls, end: JobEnded) -> "Ended":
        return cls(end.job_id, tuple(one.attempt for one in end.attempts), end.usage)


class UsageCheck:
    """Usage events against rows.

    Two workers may tell of one call, when one was taken for dead and was not: the row says what the first told.
    """

    def __init__(self, expected: int) -> None:
        """So many calls, or about."""
        self.events = 0
        self.waiting = 0
        """Calls that are not recorded yet, and need not be."""
        self._seen = Seen(3 * expected)
        self._contested: set[Attempt] = set()
        self._open: dict[Attempt, Difference] = {}
        self._orphans: list[Difference] = []

    @property
    def differences(self) -> list[Difference]:
        return [*self._open.values(), *self._orphans]

    def compare(self, told: Sequence[Told], rows: Mapping[Attempt, Recorded]) -> None:
        for event, is_due in told:
            attempt = Attempt(event.job_id, event.attempt)
            self.events += self._seen.add(_name(attempt))
            row = rows.get(attempt)
            if row is None and not is_due:
                self._wait(attempt, event)
            elif row is not None and (row.status, row.usage) == (event.status, event.usage):
                self._agree(attempt)
            else:
                self._disagree(attempt, event, row)

    def rows_seen(self, attempts: Sequence[Attempt]) -> None:
        """Rows of the same time, each of which some event has told of."""
        found = (attempt for attempt in attempts if _name(attempt) not in self._seen)
        self._orphans += (Difference(_USAGE, _name(attempt), "no event", "a row") for attempt in found)
        del self._orphans[_MOST:]

    def is_waiting(self, attempt: Attempt) -> bool:
        return _waits(attempt) in self._seen

    def is_contested(self, attempt: Attempt) -> bool:
        """Whether events say different things of it."""
        return attempt in self._contested

    def _wait(self, attempt: Attempt, event: AttemptFinished) -> None:
        is_first = self._seen.add(_waits(attempt))
        self.waiting += is_first
        if self._seen.add(f"{_waits(attempt)} {_said(event.status, event.usage)}") and not is_first:
            self._contested.add(attempt)

    def _agree(self, attempt: Attempt) -> None:
        self._seen.add(_agrees(attempt))
        if self._open.pop(attempt, None):
            self._contested.add(attempt)

    def _disagree(self, attempt: Attempt, event: AttemptFinished, row: Recorded | None) -> None:
        if _agrees(attempt) in self._seen:
            self._contested.add(attempt)
            return
        said, written = _said(event.status, event.usage), _said(row.status, row.usage) if row else "no row"
        before = self._open.get(attempt)
        if before and before.first != said:
            self._contested.add(attempt)
        elif before or len(self._open) < _MOST:
            self._open[attempt] = Difference(_USAGE, _name(attempt), said, written)


def ends_compared(ended: Sequence[Ended], rows: Mapping[Attempt, Recorded], usage: UsageCheck) -> list[Difference]:
    """A job's calls must all be in the ledger, and their tokens must add up to what its end says.

    `usage` has heard all events of their time.
    """
    found: list[Difference] = []
    for end in ended:
        attempts = [Attempt(end.job_id, number) for number in end.attempts]
        missing = [attempt for attempt in attempts if attempt not in rows and not usage.is_waiting(attempt)]
        found += (Difference(_RESULTS, _name(attempt), "a call", "no row") for attempt in missing)
        if any(attempt not in rows or usage.is_contested(attempt) for attempt in attempts):
            continue
        charged = sum((rows[attempt].usage for attempt in attempts), TokenUsage())
        if charged != end.usage:
            found.append(Difference(_RESULTS, end.job_id, _tokens(end.usage), _tokens(charged)))
    return found


def _name(attempt: Attempt) -> str:
    """As `AttemptFinished.attempt_id`."""
    return f"{attempt.job_id}.{attempt.number}"


def _agrees(attempt: Attempt) -> str:
    return f"{_name(attempt)} agrees"


def _waits(attempt: Attempt) -> str:
    return f"{_name(attempt)} waits"


def _said(status: str, usage: TokenUsage) -> str:
    return f"{status}, {_tokens(usage)}"


def _tokens(usage: TokenUsage) -> str:
    cached = f"{usage.cache_write}w+{usage.cache_read}r"
    return f"{usage.uncached_input}+{cached} in, {usage.output} out, {usage.reasoning} reasoned"
