"""Who sends this request? A bearer key, or one of the two headers in which some clients put theirs."""

from starlette.datastructures import Headers

from services.ingress.admission import Caller
from services.ingress.api.problems import ProblemError, no_key, wrong_key
from services.ingress.callers import Callers

__all__ = ["identify"]


def identify(headers: Headers, callers: Callers) -> Caller:
    """Raises ProblemError (401)."""
    key = _bearer(headers.get("authorization")) or headers.get("api-key") or headers.get("x-api-key")
    if not key:
        raise ProblemError(no_key())
    caller = callers.of_key(key.strip())
    if caller is None:
        raise ProblemError(wrong_key())
    return caller


def _bearer(authorization: str | None) -> str | None:
    scheme, _, credentials = (authorization or "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None
