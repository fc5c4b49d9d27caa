"""How is an entry bound to the one before, and what is wrong with a chain? Pure.

Theory. The hash of an entry covers everything it says, its place in the chain, and the hash of the one before. So an
entry that was changed does not fit its own hash, one that was removed leaves a gap, and two that changed places fit
neither. Whoever changes an entry and all hashes behind it gives the chain another end; and the ends are known
elsewhere, where each entry was published. That is also how a chain is found out whose last entries are gone.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson

from shared.contracts import AuditAction, AuditEntry, JsonObject

__all__ = ["FIRST", "ChainCheck", "Event", "Fault", "chained"]

FIRST: Final = "0" * 64
"""What the first entry of a chain has before it."""


@dataclass(frozen=True, slots=True)
class Event:
    """What is to be written; its place in the chain is found when it is."""

    tenant: str
    at: datetime
    actor: str
    action: AuditAction
    subject: str
    details: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    tenant: str
    seq: int
    what: str


def chained(event: Event, seq: int, previous: str) -> AuditEntry:
    entry = AuditEntry(
        tenant=event.tenant,
        seq=seq,
        at=event.at,
        actor=event.actor,
        action=event.action,
        subject=event.subject,
        details=event.details,
        previous=previous,
        hash="",
    )
    return entry.model_copy(update={"hash": _hash(entry)})


@dataclass(slots=True)
class ChainCheck:
    """One tenant's chain, entry by entry from its beginning, against itself and what is known of it elsewhere."""

    tenant: str
    elsewhere: Mapping[int, str] = field(default_factory=dict)
    """The hashes under which entries were published, by their places."""
    seq: int = 0
    _last: str = FIRST

    def see(self, entry: AuditEntry) -> Iterator[Fault]:
        """The next one by its place."""
        if entry.seq != self.seq + 1:
            yield Fault(self.tenant, self.seq + 1, _gap(self.seq + 1, entry.seq - 1))
        elif entry.previous != self._last:
            yield Fault(self.tenant, entry.seq, "it does not follow the entry before it")
        if _hash(entry) != entry.hash:
            yield Fault(self.tenant, entry.seq, "it was changed")
        elif self.elsewhere.get(entry.seq, entry.hash) != entry.hash:
            yield Fault(self.tenant, entry.seq, "it was published with another hash")
        self.seq, self._last = entry.seq, entry.hash

    def end(self) -> Iterator[Fault]:
        """There is no further entry."""
        published = max(self.elsewhere, default=0)
        if published > self.seq:
            yield Fault(self.tenant, self.seq + 1, f"{_gap(self.seq + 1, published)}, and published")


def _gap(first: int, last: int) -> str:
    return "it is missing" if first == last else f"it is missing, and all up to {last}"


def _hash(entry: AuditEntry) -> str:
    said = [
        entry.previous,
        entry.tenant,
        entry.seq,
        # As a number: a moment can be written in many ways.
        round(entry.at.timestamp() * 1_000_000),
        entry.actor,
        entry.action,
        entry.subject,
        entry.details,
    ]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
