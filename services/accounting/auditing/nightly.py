"""When is audited by itself? Once a day at a set time, by one of all processes; a night that was missed is caught up.

What was found stands in the table `usage_audits`, from which every process tells when the last audit was and what it
found, and from which the alert is raised.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from typing import Final, Never

import structlog

from services.accounting.auditing.comparing import Audit, Span
from services.accounting.auditing.opening import Auditor
from services.accounting.ports import AuditDone, AuditShelf, AwayError, LastAudit
from shared.clock import Clock
from shared.telemetry.instruments import Instruments, Reading
from shared.telemetry.metrics import AUDIT_DIFFERENCES, AUDIT_ENDED, AUDITS

__all__ = ["Nightly", "Resting", "last_due", "span_of"]

log = structlog.get_logger("accounting")

_ROUND_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 1800.0
_LONGEST_SECONDS: Final = 4 * 3600.0
_NAMED: Final = 100
"""So many differences are told in the log; the table has all that were found."""
_USUALLY: Final = timedelta(hours=25)
_MOST: Final = timedelta(hours=73)
_REST_SECONDS: Final = 10.0


class Resting:
    """The port `Pace`: rests as long as the work before it took, so that recording has the time it needs."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def __call__(self) -> None:
        await asyncio.sleep(min(time.monotonic() - self._since, _REST_SECONDS))
        self._since = time.monotonic()


class Nightly:
    def __init__(
        self,
        shelf: AuditShelf,
        open_books: Callable[[], AbstractAsyncContextManager[Auditor | None]],
        at: str | None,
        instruments: Instruments,
        clock: Clock,
        *,
        round_seconds: float = _ROUND_SECONDS,
    ) -> None:
        """`open_books` gives None when another process audits. It raises AwayError."""
        self.at = at
        """The time of the day, UTC; None: never."""
        self._shelf = shelf
        self._open_books = open_books
        self._clock = clock
        self._round_seconds = round_seconds
        self._started_at = clock()
        self._last: LastAudit | None = None
        self._runs = instruments.counter(AUDITS)
        instruments.readings(AUDIT_ENDED, lambda: self._told(lambda last: last.ended_at.timestamp()))
        instruments.readings(AUDIT_DIFFERENCES, lambda: self._told(lambda last: last.differences))

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except (AwayError, TimeoutError) as error:
                self._runs.labels("failed").inc()
                log.warning("audit_later", reason=str(error) or f"it took longer than {_LONGEST_SECONDS:.0f} s")
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:
                # Whatever it is: recording must not end because of it, tonight and at every start from then on.
                self._runs.labels("failed").inc()
                log.exception("audit_broken")
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await asyncio.sleep(self._round_seconds)

    async def look(self) -> None:
        """Audit, if it is time. Raises AwayError, or TimeoutError: then it is time still."""
        self._last = await self._shelf.last()
        if self._is_due():
            async with asyncio.timeout(_LONGEST_SECONDS), self._open_books() as audit:
                # Looked at again: who had the lock before may have done it.
                self._last = await self._shelf.last()
                if audit is not None and self._is_due():
                    await self._audit(audit)

    def _is_due(self) -> bool:
        if self.at is None:
            return False
        before = self._last.begun_at if self._last else self._started_at
        return before < last_due(self._clock(), self.at)

    async def _audit(self, audit: Auditor) -> None:
        begun_at = self._clock()
        span = span_of(begun_at, self._last)
        log.info("audit_begun", since=span.since.isoformat(), until=span.until.isoformat())
        found = await audit(span)
        await self._shelf.keep(_done(found, begun_at, self._clock()))
        self._last = await self._shelf.last()
        self._tell(found)

    def _tell(self, found: Audit) -> None:
        self._runs.labels("differing" if found.differences else "agreed").inc()
        for each in found.differences[:_NAMED]:
            log.warning("audit_difference", between=each.between, what=each.what, first=each.first, second=each.second)
        log.info(
            "audit_ended",
            events=found.events,
            results=found.results,
            not_recorded_yet=found.waiting,
            differences=len(found.differences),
        )

    def _told(self, of: Callable[[LastAudit], float]) -> list[Reading]:
        return [((), of(self._last))] if self._last else []


def last_due(now: datetime, at: str) -> datetime:
    """The last moment, up to now, at which it was that time of the day (UTC)."""
    today = datetime.combine(now.astimezone(UTC), time_of_day.fromisoformat(at), UTC)
    return today if today <= now else today - timedelta(days=1)


def span_of(now: datetime, last: LastAudit | None) -> Span:
    """Whole hours up to this one: a day and a little more, or since the last audit, but not more than three days."""
    until = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    since = min(last.until, until - _USUALLY) if last else until - _USUALLY
    return Span(max(since, until - _MOST), until)


def _done(found: Audit, begun_at: datetime, ended_at: datetime) -> AuditDone:
    return AuditDone(
        begun_at=begun_at,
        ended_at=ended_at,
        since=found.span.since,
        until=found.span.until,
        events=found.events,
        results=found.results,
        waiting=found.waiting,
        reaches_back=found.reaches_back,
        found=tuple((each.between, each.what, each.first, each.second) for each in found.differences),
    )
