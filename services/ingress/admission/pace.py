"""What does a job take of the limits on its way, and what is said when there is not enough?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.ingress.admission.allowance import Allowance
from services.ingress.admission.caller import Caller
from services.ingress.admission.limits import NO_LIMITS, Limits
from services.ingress.admission.refusal import Reason, Refused
from shared.rates import Resource, Scope

__all__ = ["Denied", "Granted", "Pace", "above_rate", "larger_than_rate", "scopes_of"]

_PLACES_RETRY: Final = timedelta(seconds=1)
"""Nobody knows when a job ends."""


@dataclass(frozen=True, slots=True)
class Pace:
    scopes: tuple[Scope, ...]
    """At least one."""
    tokens: int
    patience: timedelta | None
    """How long the job can wait for its turn; None when it cannot."""


@dataclass(frozen=True, slots=True)
class Granted:
    wait: timedelta
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Denied:
    """Nothing was taken."""

    scope: Scope
    resource: Resource
    retry: timedelta | None
    """None when it can never be granted."""
    allowance: Allowance


def scopes_of(caller: Caller, model: str, model_limits: Limits) -> tuple[Scope, ...]:
    """Those that have a limit."""
    if caller.limits is caller.team_limits is caller.tenant_limits is model_limits is NO_LIMITS:
        return ()
    named = (
        (f"key:{caller.tenant}/{caller.key_id}", caller.limits),
        (f"team:{caller.tenant}/{caller.team}", caller.team_limits),
        (f"tenant:{caller.tenant}", caller.tenant_limits),
        (f"model:{model}", model_limits),
    )
    return tuple(
        Scope(name, limits.requests_per_minute, limits.tokens_per_minute, limits.concurrency)
        for name, limits in named
        if limits != NO_LIMITS
    )


def above_rate(pace: Pace, denied: Denied) -> Refused:
    scope, retry = denied.scope, denied.retry
    if denied.resource is Resource.PLACES:
        message = f"{_whose(scope)} has {scope.places} interactive jobs under way, as many as it may have at once."
        return Refused(Reason.ABOVE_RATE, message, retry_after=_PLACES_RETRY, allowance=denied.allowance)
    if retry is None:
        return larger_than_rate(pace, scope, denied.allowance)
    limit = scope.tokens if denied.resource is Resource.TOKENS else scope.requests
    asked = f" This request takes {pace.tokens}." if denied.resource is Resource.TOKENS else ""
    return Refused(
        Reason.ABOVE_RATE,
        f"Rate limit reached. {_whose(scope)} may ask for {limit} {denied.resource} per minute.{asked} "
        f"Please try again in {retry.total_seconds():.3f} s.",
        retry_after=retry,
        allowance=denied.allowance,
    )


def larger_than_rate(pace: Pace, scope: Scope, allowance: Allowance | None = None) -> Refused:
    return Refused(
        Reason.LARGER_THAN_RATE,
        f"The request is too large. {_whose(scope)} may use {scope.tokens} tokens per minute, and this one takes "
        f"{pace.tokens}: its input, and the most output it allows.",
        allowance=allowance,
    )


_KINDS: Final = {
    "key": "This API key",
    "team": "The team of this key",
    "tenant": "The tenant of this key",
    "model": "This model",
}


def _whose(scope: Scope) -> str:
    return _KINDS[scope.name.partition(":")[0]]
