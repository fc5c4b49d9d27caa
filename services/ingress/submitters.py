"""Who submits this record of a submit topic: the caller its topic is bound to, or whoever has signed it?

A signature covers time, topic, id and body. It counts for a stated time; within it the id makes the record one job,
however often it is published, because the job is named by it.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.ingress.admission import Caller, Reason, Refused
from services.ingress.callers import Callers
from services.ingress.incidents import Incidents
from services.ingress.keyring import Turned
from shared.clock import Clock, unix_ms
from shared.contracts import Lane
from shared.signing import SIGNATURE, SIGNED_AT, SIGNED_BY, SIGNED_ID, signature, signing_secret

__all__ = ["Binding", "Signed", "Submitter", "Submitters"]

_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_MS: Final = re.compile(r"[0-9]{1,15}")
_AHEAD: Final = timedelta(minutes=5)
"""How far a producer's clock may be ahead."""


@dataclass(frozen=True, slots=True)
class Binding:
    caller: Caller | None
    """None where records are signed."""
    lane: Lane


@dataclass(frozen=True, slots=True)
class Signed:
    at_ms: int
    record_id: str


@dataclass(frozen=True, slots=True)
class Submitter:
    caller: Caller
    lane: Lane
    signed: Signed | None = None


class Submitters:
    def __init__(
        self,
        bindings: Mapping[str, Binding],
        callers: Callers,
        incidents: Incidents,
        *,
        counts_for: timedelta,
        clock: Clock,
    ) -> None:
        """`bindings` by the names of their topics; a signature counts for so long."""
        self._bindings = bindings
        self._callers = callers
        self._incidents = incidents
        self._counts_for = counts_for
        self._clock = clock

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(self._bindings)

    def tenant_of(self, topic: str) -> str | None:
        """Of a record that may be anybody's, nobody knows."""
        caller = self._bindings[topic].caller
        return caller.tenant if caller else None

    async def of(self, topic: str, headers: Mapping[str, str], body: bytes) -> Submitter | Refused:
        """`headers` by lower-case names. Raises UnavailableError when only the database could tell."""
        binding = self._bindings[topic]
        if binding.caller is not None:
            return Submitter(binding.caller, binding.lane)
        key_id, at, record_id = (headers.get(name, "") for name in (SIGNED_BY, SIGNED_AT, SIGNED_ID))
        if not (key_id and _MS.fullmatch(at) and _ID.fullmatch(record_id)):
            return _refused(f"Records of this topic are signed: {SIGNED_BY}, {SIGNED_AT}, {SIGNED_ID}, {SIGNATURE}.")
        answer = await self._callers.signer(key_id)
        signed = Signed(int(at), record_id)
        if not _matches(signed, answer.hashes, topic, body, headers.get(SIGNATURE, "")):
            self._incidents.turned_away(None, Turned.UNKNOWN)
            return _refused("The signature is not that of the key it names.")
        if not isinstance(answer.found, Caller):
            self._incidents.turned_away(key_id, answer.found)
            return _refused(f"The key that signed it is {answer.found}.")
        return self._stale(signed, self._clock()) or Submitter(answer.found, binding.lane, signed)

    def _stale(self, signed: Signed, now: datetime) -> Refused | None:
        if unix_ms(now - self._counts_for) <= signed.at_ms <= unix_ms(now + _AHEAD):
            return None
        return _refused(f"The signature is not of the last {self._counts_for.total_seconds():g} s.", SIGNED_AT)


def _matches(signed: Signed, hashes: Sequence[str], topic: str, body: bytes, given: str) -> bool:
    """Each is computed and compared, also for a key that nobody has."""
    made = [
        signature(signing_secret(stored), at_ms=signed.at_ms, topic=topic, record_id=signed.record_id, body=body)
        for stored in hashes or ("",)
    ]
    matches = [hmac.compare_digest(each.encode(), given.encode()) for each in made]
    return any(matches) and bool(hashes)


def _refused(message: str, param: str = SIGNATURE) -> Refused:
    return Refused(Reason.INVALID_SIGNATURE, message, param)
