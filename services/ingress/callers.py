"""Whose key is this? First the keys of the configuration, then those of the database, most of them from memory."""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from services.ingress.admission import NO_LIMITS, Caller, Limits
from services.ingress.directory import StoredKey
from services.ingress.directory_ports import KeyDirectory
from services.ingress.incidents import Incidents
from services.ingress.keyring import Answer, Keyring, Turned
from shared.clock import Clock
from shared.config import hash_key, public_id
from shared.config.schema import Caller as CallerSection
from shared.config.schema import Rates, Tenant

__all__ = ["Callers", "limits_of"]

_NOBODYS = "sha256:" + "0" * 64
"""Compared with when the id is unknown."""


class Callers:
    def __init__(
        self,
        tenants: Mapping[str, Tenant],
        directory: KeyDirectory,
        keyring: Keyring,
        incidents: Incidents,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._keyring = keyring
        self._incidents = incidents
        self._clock = clock
        self.go_by(tenants)

    def go_by(self, tenants: Mapping[str, Tenant]) -> None:
        """For whoever comes from now on."""
        sections = [
            (_configured(name, tenant, key_id, section), section)
            for name, tenant in tenants.items()
            for key_id, section in tenant.keys.items()
        ]
        self._named = {caller.key_id: caller for caller, _ in sections}
        self._sections = {caller.key_id: section for caller, section in sections}
        self._configured = {section.hash: Answer(caller, section.expires) for caller, section in sections}
        self._tenant_limits = {name: limits_of(section.limits) for name, section in tenants.items()}
        # What is remembered of the database's keys may have been said under other limits, or of an id now in the file.
        self._keyring.forget()

    async def of_key(self, key: str) -> Caller | Turned:
        """A key that was right a moment ago comes from memory; others wait for the database.

        Raises UnavailableError when only the database could tell, and is away.
        """
        found = await self._found(key)
        if not isinstance(found, Caller):
            self._incidents.turned_away(public_id(key), found)
        return found

    async def _found(self, key: str) -> Caller | Turned:
        digest, now = hash_key(key), self._clock()
        if (configured := self._configured.get(digest)) is not None:
            expired = configured.until is not None and now >= configured.until
            return Turned.EXPIRED if expired else configured.found
        recalled = self._keyring.recall(digest, now)
        if recalled is not None:
            return recalled.found
        key_id = public_id(key)
        if key_id is None:
            return Turned.UNKNOWN
        asked_at = self._keyring.changes
        stored = await self._directory.find(key_id)
        answer = self._under_the_file(_judged(None if key_id in self._named else stored, digest, now))
        self._keyring.remember(digest, answer, asked_at)
        return answer.found

    async def signer(self, key_id: str) -> Answer:
        """Who signs under this id, and the hashes of the key, of which either may have signed; or why nobody does.

        Raises UnavailableError as `of_key` does.
        """
        now = self._clock()
        if (section := self._sections.get(key_id)) is not None:
            expired = section.expires is not None and now >= section.expires
            return Answer(Turned.EXPIRED if expired else self._named[key_id], hashes=(section.hash,))
        name = f"signer {key_id}"
        recalled = self._keyring.recall(name, now)
        if recalled is not None:
            return recalled
        asked_at = self._keyring.changes
        answer = self._under_the_file(_signer(await self._directory.find(key_id), now))
        self._keyring.remember(name, answer, asked_at)
        return answer

    def _under_the_file(self, answer: Answer) -> Answer:
        """A tenant that has limits in the file has those, whosever key it is."""
        caller = answer.found
        if not isinstance(caller, Caller):
            return answer
        limits = self._tenant_limits.get(caller.tenant, NO_LIMITS)
        return answer if limits is NO_LIMITS else replace(answer, found=replace(caller, tenant_limits=limits))

    def named(self, key_id: str) -> Caller:
        """Of the configuration. Raises KeyError; it has been checked to name only callers it knows."""
        return self._named[key_id]


def _judged(stored: StoredKey | None, digest: str, now: datetime) -> Answer:
    """Both comparisons are made in any case, and take as long for an id that is unknown."""
    current = hmac.compare_digest(digest, stored.hash if stored else _NOBODYS)
    previous = hmac.compare_digest(digest, (stored and stored.previous_hash) or _NOBODYS)
    if stored is None or not (current or previous):
        return Answer(Turned.UNKNOWN)
    ends = [stored.expires_at, None if current else stored.previous_until]
    return _allowed(stored, min((end for end in ends if end is not None), default=None), now)


def _signer(stored: StoredKey | None, now: datetime) -> Answer:
    if stored is None:
        return Answer(Turned.UNKNOWN)
    overlaps = stored.previous_hash and stored.previous_until and now < stored.previous_until
    hashes = (stored.hash, stored.previous_hash) if overlaps and stored.previous_hash else (stored.hash,)
    ends = [stored.expires_at, stored.previous_until if overlaps else None]
    answer = _allowed(stored, min((end for end in ends if end is not None), default=None), now)
    return replace(answer, hashes=hashes)


def _allowed(stored: StoredKey, until: datetime | None, now: datetime) -> Answer:
    """Of somebody who has the right secret."""
    if stored.revoked:
        return Answer(Turned.REVOKED)
    if until is not None and now >= until:
        return Answer(Turned.EXPIRED)
    return Answer(Turned.BLOCKED if stored.blocked else stored.caller, until)


def limits_of(rates: Rates) -> Limits:
    limits = Limits(rates.requests_per_minute, rates.tokens_per_minute, rates.concurrency)
    return NO_LIMITS if limits == NO_LIMITS else limits


def _configured(name: str, tenant: Tenant, key_id: str, section: CallerSection) -> Caller:
    team = tenant.teams.get(section.team) if section.team else None
    return Caller(
        name,
        key_id,
        frozenset(section.models),
        frozenset(section.lanes),
        section.team,
        dict(section.tags),
        limits=limits_of(section.limits),
        team_limits=limits_of(team.limits) if team else NO_LIMITS,
        tenant_limits=limits_of(tenant.limits),
    )
