"""Who sends this request? A bearer key, or one of the two headers in which some clients put theirs."""

from starlette.datastructures import Headers

from services.ingress.admission import Caller
from services.ingress.api.problems import ProblemError, no_key, turned_away
from services.ingress.callers import Callers

__all__ = ["identify", "key_in"]


async def identify(headers: Headers, callers: Callers) -> Caller:
    """Raises ProblemError (401, 403), and UnavailableError for a key that only the database could know."""
    key = key_in(headers)
    if not key:
        raise ProblemError(no_key())
    found = await callers.of_key(key)
    if not isinstance(found, Caller):
        raise ProblemError(turned_away(found))
    return found


def key_in(headers: Headers) -> str:
    """Empty when there is none."""
    key = _bearer(headers.get("authorization")) or headers.get("api-key") or headers.get("x-api-key") or ""
    return key.strip()


def _bearer(authorization: str | None) -> str | None:
    scheme, _, credentials = (authorization or "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None
