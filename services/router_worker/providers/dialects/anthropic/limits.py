"""What do Anthropic's headers say of limits? platform.claude.com/docs/en/api/rate-limits."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from services.router_worker.events import LimitKind, RateLimit
from services.router_worker.providers.limits import count

__all__ = ["read_limits"]


def read_limits(headers: Mapping[str, str]) -> tuple[RateLimit, ...]:
    """`anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`."""
    found = (_limit(kind, f"anthropic-ratelimit-{kind.replace('_', '-')}", headers) for kind in LimitKind)
    return tuple(told for told in found if told != RateLimit(told.kind))


def _limit(kind: LimitKind, name: str, headers: Mapping[str, str]) -> RateLimit:
    return RateLimit(
        kind,
        limit=count(headers.get(f"{name}-limit")),
        remaining=count(headers.get(f"{name}-remaining")),
        full_in=_until(headers.get(f"{name}-reset"), headers.get("date")),
    )


def _until(moment: str | None, now: str | None) -> timedelta | None:
    """A moment in RFC 3339, against the answer's own `date`: whose clock is wrong does not matter then."""
    if moment is None or now is None:
        return None
    try:
        return max(datetime.fromisoformat(moment) - parsedate_to_datetime(now), timedelta())
    except (ValueError, TypeError):
        return None
