"""What does each kind of failure call for? A table; without a reaction to every kind the import fails."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.router_worker.failures import Cause, FailureKind

__all__ = ["REACTIONS", "Blame", "Reaction", "Then", "cause_of", "complete"]


class Then(StrEnum):
    RETRY = "retry"
    """The same deployment after a pause, as often as `per_deployment` allows; then the next."""
    SWITCH = "switch"
    """Another deployment at once; where there is none, as `RETRY`."""
    LEAVE = "leave"
    """The next deployment at once; this one only in the plan's next round, because waiting for it was dear."""
    PARK = "park"
    """The next deployment at once; this one when its pause is over. Costs no round, so only the deadline ends it."""
    BAR = "bar"
    """The next deployment at once; this one never again in this job."""
    OTHER_MODEL = "other_model"
    """Only another model can help: none of this one's deployments is asked again."""
    GIVE_UP = "give_up"
    EXPIRE = "expire"


class Blame(StrEnum):
    """Whom a failure speaks against: a breaker counts the deployment's own, not a caller's mistakes."""

    DEPLOYMENT = "deployment"
    CALLER = "caller"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Reaction:
    then: Then
    blame: Blame


def complete(table: Mapping[FailureKind, Reaction]) -> Mapping[FailureKind, Reaction]:
    missing = [kind for kind in FailureKind if kind not in table]
    if missing:
        raise TypeError(f"no reaction to {', '.join(missing)}")
    return table


_D, _C, _N = Blame.DEPLOYMENT, Blame.CALLER, Blame.NOBODY

REACTIONS: Final = complete(
    {
        FailureKind.CONNECT: Reaction(Then.SWITCH, _D),
        FailureKind.TLS: Reaction(Then.SWITCH, _D),
        FailureKind.CONNECT_TIMEOUT: Reaction(Then.LEAVE, _D),
        FailureKind.FIRST_TOKEN_TIMEOUT: Reaction(Then.LEAVE, _D),
        FailureKind.STALL: Reaction(Then.LEAVE, _D),
        FailureKind.TOO_SLOW: Reaction(Then.LEAVE, _D),
        FailureKind.TOTAL_TIMEOUT: Reaction(Then.LEAVE, _D),
        FailureKind.CUT: Reaction(Then.RETRY, _D),
        FailureKind.REDIRECTED: Reaction(Then.SWITCH, _D),
        FailureKind.RATE_LIMITED: Reaction(Then.PARK, _N),
        FailureKind.QUOTA_EXHAUSTED: Reaction(Then.BAR, _D),
        FailureKind.OVERLOADED: Reaction(Then.SWITCH, _D),
        FailureKind.SERVER_ERROR: Reaction(Then.RETRY, _D),
        FailureKind.CONFLICT: Reaction(Then.RETRY, _N),
        FailureKind.REQUEST_TIMEOUT: Reaction(Then.RETRY, _D),
        FailureKind.MALFORMED: Reaction(Then.RETRY, _D),
        FailureKind.EMPTY: Reaction(Then.RETRY, _D),
        FailureKind.IN_STREAM_ERROR: Reaction(Then.RETRY, _D),
        FailureKind.CONTENT_FILTER: Reaction(Then.OTHER_MODEL, _C),
        FailureKind.CONTEXT_TOO_LONG: Reaction(Then.OTHER_MODEL, _C),
        FailureKind.TOO_LARGE: Reaction(Then.OTHER_MODEL, _C),
        FailureKind.BAD_REQUEST: Reaction(Then.GIVE_UP, _C),
        FailureKind.UNSUPPORTED: Reaction(Then.BAR, _C),
        FailureKind.FORBIDDEN: Reaction(Then.BAR, _C),
        FailureKind.AUTH: Reaction(Then.BAR, _D),
        FailureKind.PERMISSION: Reaction(Then.BAR, _D),
        FailureKind.MODEL_NOT_FOUND: Reaction(Then.BAR, _D),
        FailureKind.BODY_LOST: Reaction(Then.GIVE_UP, _N),
        FailureKind.DEADLINE: Reaction(Then.EXPIRE, _N),
        FailureKind.UNKNOWN: Reaction(Then.SWITCH, _D),
    }
)

_CAUSES: Final[Mapping[FailureKind, Cause]] = {
    FailureKind.CONTEXT_TOO_LONG: Cause.CONTEXT_TOO_LONG,
    FailureKind.TOO_LARGE: Cause.CONTEXT_TOO_LONG,
    FailureKind.CONTENT_FILTER: Cause.CONTENT_FILTER,
}


def cause_of(kind: FailureKind) -> Cause | None:
    """Which fallbacks a failure opens, beside those for all; None when no other model can help."""
    reaction = REACTIONS[kind]
    if reaction.blame is Blame.CALLER or reaction.then in (Then.GIVE_UP, Then.EXPIRE):
        return _CAUSES.get(kind)
    return Cause.OUTAGE
