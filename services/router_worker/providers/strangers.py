"""Did the provider answer at all? Proxies, portals and wrong addresses do so in its place, with whatever they have.

What they sent is for the log alone, its beginning, without our secrets: no caller could do anything with it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from services.router_worker.events import AttemptEvent, Chunk, Failed
from services.router_worker.failures import Failure, FailureKind
from shared.config.schema import Provider

__all__ = ["PAGE", "Witness", "in_its_place", "stranger"]

PAGE: Final = Failure(FailureKind.MALFORMED, "A web page came in place of the provider's answer.")

_SHOWN_CHARACTERS: Final = 500
_KEPT_BYTES: Final = 4_000
"""More than is shown, so that a secret is whole, and so is found, where the rest is cut off."""
_SHORTEST_SECRET: Final = 6

_SECRET: Final = re.compile(
    r"authorization[\"':=\s]+(?:(?:Bearer|Basic)\s+)?[^\s\"',;<>]+"
    r"|\b(?:sk|pk|rk)-[\w*.-]{6,}|\bslk_\w+|\bAIza[\w-]{6,}|\bAKIA\w{6,}|\b(?:Bearer|Basic)\s+\S+",
    re.IGNORECASE,
)
_SCHEMES: Final = ("bearer", "basic")
_PAGES: Final = ("text/html", "application/xhtml+xml", "text/xml", "application/xml")


_SECRET_HEADERS: Final = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "x-amz-security-token")

_WORTH_A_LOOK: Final = frozenset(
    {
        FailureKind.MALFORMED,
        FailureKind.EMPTY,
        FailureKind.IN_STREAM_ERROR,
        FailureKind.REDIRECTED,
        FailureKind.SERVER_ERROR,
        FailureKind.OVERLOADED,
        FailureKind.AUTH,
        FailureKind.PERMISSION,
        FailureKind.MODEL_NOT_FOUND,
        FailureKind.QUOTA_EXHAUSTED,
        FailureKind.UNKNOWN,
    }
)
"""Not an answer that broke off, which would show a tenant's content and nothing else; nor what its caller is told."""


class Witness:
    """Of one call: remembers how its answer began, until that was an answer."""

    __slots__ = ("_beginning", "_curious", "_network", "_provider", "sent")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._beginning = b""
        self._curious = True
        self._network = ""
        self.sent: Mapping[str, str] = {}
        """The call's headers."""

    def heard(self, packet: bytes, events: Sequence[AttemptEvent]) -> Sequence[AttemptEvent]:
        """The events that a packet made; a failure has its evidence then."""
        if self._curious:
            self._look(packet, events)
        last = events[-1] if events else None
        return [*events[:-1], self._told(last)] if type(last) is Failed else events

    def overheard(self, network: str) -> None:
        """Why there is no answer, or no more of it, in a library's words."""
        self._network = network

    def _look(self, packet: bytes, events: Sequence[AttemptEvent]) -> None:
        if any(type(event) is Chunk and event.is_output for event in events):
            self._curious, self._beginning = False, b""
        elif len(self._beginning) < _KEPT_BYTES:
            self._beginning = (self._beginning + packet[:_KEPT_BYTES])[:_KEPT_BYTES]

    def _told(self, failed: Failed) -> Failed:
        if self._beginning and failed.failure.kind in _WORTH_A_LOOK:
            return replace(failed, evidence=self._shown(self._beginning.decode(errors="replace")))
        return replace(failed, evidence=self._shown(self._network)) if self._network else failed

    def _shown(self, text: str) -> str:
        for secret in self._secrets():
            text = text.replace(secret, "[secret]")
        return _SECRET.sub("[secret]", text)[:_SHOWN_CHARACTERS]

    def _secrets(self) -> list[str]:
        """All of ours that an answer could repeat, the longest first, so that none is left in part."""
        names = {*_SECRET_HEADERS, *(name.lower() for name in self._provider.headers)}
        words = {word for name in names for word in self.sent.get(name, "").split() if word.lower() not in _SCHEMES}
        key = self._provider.api_key.get_secret_value() if self._provider.api_key else ""
        found = {word for word in (*words, key, *key.split(":")) if len(word) >= _SHORTEST_SECRET}
        return sorted(found, key=len, reverse=True)


def stranger(status: int, headers: Mapping[str, str]) -> Failure | None:
    """What the first line and the headers tell; names are in lower case."""
    if 300 <= status < 400:
        message = "The provider's address leads elsewhere, where it is not followed."
        return Failure(FailureKind.REDIRECTED, message, status)
    if status == 200 and headers.get("content-type", "").partition(";")[0].strip().lower() in _PAGES:
        return PAGE
    return None


def in_its_place(refusal: Failure, body: bytes) -> Failure:
    """A page that says "bad request" is no provider's word on the request: others may still take it."""
    if refusal.kind is FailureKind.BAD_REQUEST and body.lstrip()[:1] == b"<":
        return Failure(FailureKind.MALFORMED, PAGE.message, refusal.status)
    return refusal
