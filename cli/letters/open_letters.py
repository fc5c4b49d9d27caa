"""Which dead letters are open? Told from the records of their topic, taken in order; holds no letter's content."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import ValidationError

from shared.contracts import DECISION_HEADER, REPLAYED_HEADER, DeadLetter, DeadLetterReason

__all__ = ["Choice", "Decided", "Entry", "OpenLetters", "Place", "replays_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """Of a record on the dead letters topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Entry:
    """An open letter."""

    id: str
    """Its origin: `topic/partition/offset`."""
    place: Place
    topic: str
    reason: DeadLetterReason
    message: str
    code: str | None
    tenant: str | None
    service: str
    failed_at: datetime
    size: int
    """Of the record, in bytes."""
    times: int
    """How often it was set aside since the last decision: more than once when a service died over it."""
    replays: int
    """How often its record had been put back before it came here."""


@dataclass(frozen=True, slots=True)
class Decided:
    decision: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """Of several letters at once; None leaves it open."""

    topic: str | None = None
    reason: DeadLetterReason | None = None
    tenant: str | None = None

    def takes(self, entry: Entry) -> bool:
        return (
            self.topic in (None, entry.topic)
            and self.reason in (None, entry.reason)
            and self.tenant in (None, entry.tenant)
        )


@dataclass(slots=True)
class OpenLetters:
    entries: dict[str, Entry] = field(default_factory=dict)
    decided: dict[str, Decided] = field(default_factory=dict)
    unreadable: int = 0
    """Records that are neither letters nor decisions."""

    def take(
        self,
        place: Place,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
        at: datetime,
    ) -> None:
        """The next record; those of one letter stand in one partition, in their order."""
        if value is None:
            self._decide((key or b"").decode(errors="replace"), headers, at)
            return
        try:
            letter = DeadLetter.model_validate_json(value)
        except ValidationError:
            self.unreadable += 1
            return
        known = self.entries.get(letter.origin)
        entry = _entry(letter, place)
        self.entries[letter.origin] = replace(entry, times=known.times + 1) if known else entry
        self.decided.pop(letter.origin, None)

    def chosen(self, choice: Choice) -> list[Entry]:
        """The newest first."""
        found = [entry for entry in self.entries.values() if choice.takes(entry)]
        return sorted(found, key=lambda entry: entry.failed_at, reverse=True)

    def _decide(self, origin: str, headers: Sequence[tuple[str, bytes | None]], at: datetime) -> None:
        self.entries.pop(origin, None)
        # A record without a value closes the letter whoever wrote it: the broker removes the letter for it, too.
        word = (dict(headers).get(DECISION_HEADER) or b"removed").decode(errors="replace")
        self.decided[origin] = Decided(word, at)


def replays_of(letter: DeadLetter) -> int:
    text = dict(letter.headers).get(REPLAYED_HEADER, "0")
    return int(text) if text.isdecimal() else 0


def _entry(letter: DeadLetter, place: Place) -> Entry:
    return Entry(
        id=letter.origin,
        place=place,
        topic=letter.topic,
        reason=letter.reason,
        message=letter.message,
        code=letter.code,
        tenant=letter.tenant,
        service=letter.service,
        failed_at=letter.failed_at,
        size=len(letter.value),
        times=1,
        replays=replays_of(letter),
    )
