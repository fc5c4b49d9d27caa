"""Whom was something refused? Counted here, and told to the audit log now and then: a flood is one entry.

What cannot be written is kept, and counted on, until it can; of what is new then only so much is told apart.
"""

import asyncio
from collections import Counter, deque
from contextlib import suppress
from typing import Final

from services.ingress.admission import Caller, Reason
from services.ingress.keyring import Turned
from services.ingress.ports import AuditLog, UnavailableError
from shared.audit import Event
from shared.clock import Clock
from shared.contracts import HOUSE, AuditAction

__all__ = ["Incidents"]

_EVERY_SECONDS: Final = 10.0
_LAST_SECONDS: Final = 1.0
_APART: Final = 1000
_KEPT: Final = 1000

_TOLD: Final = frozenset(
    {
        Reason.LANE_NOT_ALLOWED,
        Reason.MODEL_NOT_FOUND,
        Reason.ABOVE_RATE,
        Reason.LARGER_THAN_RATE,
        Reason.INSUFFICIENT_QUOTA,
    }
)
"""Not what is only wrong, or came at a busy time."""

_Kind = tuple[str, AuditAction, str, str]
"""Tenant, action, subject, reason."""
_OTHERS: Final[_Kind] = (HOUSE, AuditAction.REFUSED, "others", "too many to tell apart")


class Incidents:
    def __init__(self, audit_log: AuditLog, replica: str, clock: Clock) -> None:
        self._audit_log = audit_log
        self._actor = f"ingress:{replica}"
        self._clock = clock
        self._counted: Counter[_Kind] = Counter()
        self._events: deque[Event] = deque(maxlen=_KEPT)

    def happened(self, action: AuditAction, subject: str, **details: str | int) -> None:
        """In the house itself."""
        self._events.append(Event(HOUSE, self._clock(), self._actor, action, subject, dict(details)))

    def refused(self, caller: Caller, reason: Reason) -> None:
        if reason in _TOLD:
            self._count((caller.tenant, AuditAction.REFUSED, f"key:{caller.key_id}", reason))

    def turned_away(self, key_id: str | None, why: Turned) -> None:
        """Of a wrong key the id is whatever its sender likes, and is not told."""
        subject = "" if key_id is None or why is Turned.UNKNOWN else f"key:{key_id}"
        self._count((HOUSE, AuditAction.TURNED_AWAY, subject, why))

    async def run(self) -> None:
        """Until cancelled, and then a moment longer."""
        try:
            while True:
                with suppress(UnavailableError):
                    await self.tell()
                await asyncio.sleep(_EVERY_SECONDS)
        finally:
            with suppress(UnavailableError, TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self.tell()

    async def tell(self) -> None:
        """Afterwards the audit log has it all. Raises UnavailableError; then all is as before."""
        now, counted, told = self._clock(), self._counted, len(self._events)
        events = [*self._events]
        events += [
            Event(tenant, now, self._actor, action, subject, {"reason": str(reason), "count": count})
            for (tenant, action, subject, reason), count in counted.items()
        ]
        if not events:
            return
        self._counted = Counter()
        try:
            await self._audit_log.write(events)
        except UnavailableError:
            for kind, count in counted.items():
                self._count(kind, count)
            raise
        for _ in range(told):
            self._events.popleft()

    def _count(self, kind: _Kind, count: int = 1) -> None:
        known = kind in self._counted or len(self._counted) < _APART
        self._counted[kind if known else _OTHERS] += count
