"""What does each kind of failure call for? One reaction to each; the type checker knows when one is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from services.router_worker.failures import Cause, FailureKind

__all__ = ["REACTIONS", "Blame", "Reaction", "Then", "cause_of", "reaction_to"]


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
    KEY = "key"
    """The account behind the key: another key of the same deployment is asked at once, if there is one."""
    CALLER = "caller"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Reaction:
    then: Then
    blame: Blame


def reaction_to(kind: FailureKind) -> Reaction:  # noqa: C901, PLR0911, PLR0912 - a case for each reaction
    """The type checker sees to it that no kind is left out."""
    match kind:
        case (
            FailureKind.CONNECT
            | FailureKind.TLS
            | FailureKind.REDIRECTED
            | FailureKind.OVERLOADED
            | FailureKind.UNKNOWN
        ):
            return Reaction(Then.SWITCH, Blame.DEPLOYMENT)
        case (
            FailureKind.CONNECT_TIMEOUT
            | FailureKind.FIRST_TOKEN_TIMEOUT
            | FailureKind.STALL
            | FailureKind.TOO_SLOW
            | FailureKind.TOTAL_TIMEOUT
        ):
            return Reaction(Then.LEAVE, Blame.DEPLOYMENT)
        case FailureKind.CUT | FailureKind.SERVER_ERROR | FailureKind.REQUEST_TIMEOUT:
            return Reaction(Then.RETRY, Blame.DEPLOYMENT)
        case FailureKind.MALFORMED | FailureKind.EMPTY | FailureKind.IN_STREAM_ERROR:
            return Reaction(Then.RETRY, Blame.DEPLOYMENT)
        case FailureKind.CONFLICT:
            return Reaction(Then.RETRY, Blame.NOBODY)
        case FailureKind.RATE_LIMITED:
            return Reaction(Then.PARK, Blame.KEY)
        case FailureKind.QUOTA_EXHAUSTED | FailureKind.AUTH | FailureKind.PERMISSION:
            return Reaction(Then.BAR, Blame.KEY)
        case FailureKind.MODEL_NOT_FOUND:
            return Reaction(Then.BAR, Blame.DEPLOYMENT)
        case FailureKind.UNSUPPORTED | FailureKind.FORBIDDEN:
            return Reaction(Then.BAR, Blame.CALLER)
        case FailureKind.CONTENT_FILTER | FailureKind.CONTEXT_TOO_LONG | FailureKind.TOO_LARGE:
            return Reaction(Then.OTHER_MODEL, Blame.CALLER)
        case FailureKind.BAD_REQUEST:
            return Reaction(Then.GIVE_UP, Blame.CALLER)
        case FailureKind.BODY_LOST:
            return Reaction(Then.GIVE_UP, Blame.NOBODY)
        case FailureKind.DEADLINE:
            return Reaction(Then.EXPIRE, Blame.NOBODY)
        case _:
            assert_never(kind)


REACTIONS: Final[Mapping[FailureKind, Reaction]] = {kind: reaction_to(kind) for kind in FailureKind}

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
