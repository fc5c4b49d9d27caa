"""Which keys have been asked about lately, and what was the answer? Bounded, in memory, without a clock of its own.

Theory. A key is remembered by the hash of the whole of it, a wrong one like a right one. So a wrong secret of a known
id and an id that nobody knows take the same way: neither is remembered the first time, both are looked up in the
database, both are remembered as wrong. The time of a refusal tells nothing.

Whoever watches the database tells what has changed there. An answer that was asked for before a change and comes in
behind it is given, but not remembered: it may be the old one. As long as nobody can tell, answers hold for a stated
time; then every key has to be looked up again.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.ingress.admission import Caller
from services.ingress.directory import Change

__all__ = ["Answer", "Keyring", "Turned"]

_MOST: Final = 20_000


class Turned(StrEnum):
    """Why a key is not let in. All but the first are told to whoever has the right secret, and to nobody else."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Answer:
    found: Caller | Turned
    until: datetime | None = None
    """When it has to be asked for again."""
    hashes: tuple[str, ...] = ()
    """As which the key is stored, where somebody wants to verify what it has signed."""


class Keyring:
    def __init__(self, *, offline: timedelta, most: int = _MOST) -> None:
        """`offline` is how long answers hold while nobody can tell of changes; `most` of each kind are remembered."""
        self._offline = offline
        self._most = most
        self._right: OrderedDict[str, Answer] = OrderedDict()
        self._wrong: OrderedDict[str, Answer] = OrderedDict()
        self._told_at: datetime | None = None
        self.changes = 0
        """How often something was told; an answer belongs to the number at which it was asked for."""

    def __len__(self) -> int:
        return len(self._right) + len(self._wrong)

    def recall(self, digest: str, now: datetime) -> Answer | None:
        """None when it has to be looked up."""
        answers = self._right if digest in self._right else self._wrong
        answer = answers.get(digest)
        if answer is None or self._told_at is None or now - self._told_at > self._offline:
            return None
        if answer.until is not None and now >= answer.until:
            del answers[digest]
            return None
        answers.move_to_end(digest)
        return answer

    def remember(self, digest: str, answer: Answer, asked_at: int) -> None:
        """`asked_at` is what `changes` said before the answer was asked for."""
        if asked_at != self.changes:
            return
        answers = self._right if isinstance(answer.found, Caller) else self._wrong
        answers[digest] = answer
        if len(answers) > self._most:
            answers.popitem(last=False)

    def told(self, changes: Sequence[Change], now: datetime) -> None:
        """Nothing else has changed since the last time."""
        self._told_at = now
        if not changes:
            return
        self.changes += 1
        self._wrong.clear()
        keys = {change.key_id for change in changes if change.key_id is not None}
        tenants = {change.tenant for change in changes if change.key_id is None}
        for digest, answer in list(self._right.items()):
            if isinstance(caller := answer.found, Caller) and (caller.key_id in keys or caller.tenant in tenants):
                del self._right[digest]

    def told_anew(self, now: datetime) -> None:
        """Anything may have changed."""
        self._told_at = now
        self.forget()

    def forget(self) -> None:
        """Every key has to be looked up again."""
        self.changes += 1
        self._right.clear()
        self._wrong.clear()
