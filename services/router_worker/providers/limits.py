"""What do `x-ratelimit-*` headers say? As OpenAI writes them, and everybody who took them over; Mistral's too."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from services.router_worker.events import LimitKind, RateLimit

__all__ = ["count", "x_ratelimits"]

_SPAN: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


_NAMES: Final = (
    (LimitKind.REQUESTS, "requests"),
    (LimitKind.TOKENS, "tokens"),
    (LimitKind.REQUESTS, "req-minute"),
    (LimitKind.TOKENS, "tokens-minute"),
)


def x_ratelimits(headers: Mapping[str, str]) -> tuple[RateLimit, ...]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; a kind of which nothing is said is left out."""
    found = (
        RateLimit(
            kind,
            limit=count(headers.get(f"x-ratelimit-limit-{name}")),
            remaining=count(headers.get(f"x-ratelimit-remaining-{name}")),
            full_in=_span(headers.get(f"x-ratelimit-reset-{name}")),
        )
        for kind, name in _NAMES
        if f"x-ratelimit-limit-{name}" in headers or f"x-ratelimit-remaining-{name}" in headers
    )
    return tuple(told for told in found if told != RateLimit(told.kind))


def count(text: str | None) -> int | None:
    """None for what is no count: Azure has sent -1 where it knew none."""
    return int(text) if text is not None and text.strip().isdecimal() else None


def _span(text: str | None) -> timedelta | None:
    """`12ms`, `1s`, `6m0s`, `1h2m3.5s`, or plain seconds."""
    written = (text or "").strip()
    found = _SPAN.fullmatch(written)
    if not written or (found is None and not written.replace(".", "", 1).isdecimal()):
        return None
    if found is None or not any(found.groups()):
        return timedelta(seconds=float(written))
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
