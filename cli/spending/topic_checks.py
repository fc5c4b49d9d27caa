"""Do the topics say what the ledger says? Events and ends of jobs are compared with its rows, batch by batch. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from services.accounting.ledger.agreement import Attempt, Difference, Recorded
from shared.contracts import AttemptFinished, JobEnded, TokenUsage

__all__ = ["Told", "UsageCheck", "ends_compared"]

_USAGE: Final = "usage topic, usage_ledger"
_RESULTS: Final = "results topic, usage_ledger"


class Told(NamedTuple):
    event: AttemptFinished
    is_due: bool
    """Whether accounting has already been past it."""


class UsageCheck:
    """Usage events against rows.

    Two workers may tell of one call, when one was taken for dead and was not: the row says what the first told.
    """

    def __init__(self) -> None:
        self.waiting: set[Attempt] = set()
        """Calls that are not recorded yet, and need not be."""
        self.contested: set[Attempt] = set()
        """Calls of which events say different things."""
        self._told: dict[Attempt, int] = {}
        self._open: dict[Attempt, Difference] = {}
        self._agreed: set[Attempt] = set()
        self._orphans: list[Difference] = []

    @property
    def events(self) -> int:
        return len(self._told)

    @property
    def differences(self) -> list[Difference]:
        return [*self._open.values(), *self._orphans]

    def compare(self, told: Sequence[Told], rows: Mapping[Attempt, Recorded]) -> None:
        for event, is_due in told:
            attempt = Attempt(event.job_id, event.attempt)
            self._note(attempt, event)
            row = rows.get(attempt)
            if row is None and not is_due:
                self.waiting.add(attempt)
            elif row is not None and (row.status, row.usage) == (event.status, event.usage):
                self._agreed.add(attempt)
                self._open.pop(attempt, None)
            elif attempt not in self._agreed:
                written = _said(row.status, row.usage) if row else "no row"
                self._open[attempt] = Difference(_USAGE, event.attempt_id, _said(event.status, event.usage), written)

    def rows_seen(self, attempts: Sequence[Attempt]) -> None:
        """Rows of the same time, each of which some event has told of."""
        self._orphans += (
            Difference(_USAGE, f"{attempt.job_id}.{attempt.number}", "no event", "a row")
            for attempt in attempts
            if attempt not in self._told
        )

    def _note(self, attempt: Attempt, event: AttemptFinished) -> None:
        """A number for what it says: millions of calls have to be remembered."""
        says = hash((event.status, event.usage))
        if self._told.setdefault(attempt, says) != says:
            self.contested.add(attempt)


def ends_compared(ended: Sequence[JobEnded], rows: Mapping[Attempt, Recorded], usage: UsageCheck) -> list[Difference]:
    """A job's calls must all be in the ledger, and their tokens must add up to what its end says.

    `usage` has heard all events of their time.
    """
    found: list[Difference] = []
    for end in ended:
        attempts = [Attempt(end.job_id, one.attempt) for one in end.attempts]
        missing = [attempt for attempt in attempts if attempt not in rows and attempt not in usage.waiting]
        found += (Difference(_RESULTS, f"{end.job_id}.{attempt.number}", "a call", "no row") for attempt in missing)
        if any(attempt not in rows or attempt in usage.contested for attempt in attempts):
            continue
        charged = sum((rows[attempt].usage for attempt in attempts), TokenUsage())
        if charged != end.usage:
            found.append(Difference(_RESULTS, end.job_id, _tokens(end.usage), _tokens(charged)))
    return found


def _said(status: str, usage: TokenUsage) -> str:
    return f"{status}, {_tokens(usage)}"


def _tokens(usage: TokenUsage) -> str:
    cached = f"{usage.cache_write}w+{usage.cache_read}r"
    return f"{usage.uncached_input}+{cached} in, {usage.output} out, {usage.reasoning} reasoned"
