"""A request as admission sees it: what Sluice reads is named, everything else travels unread in `body`."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from services.ingress.admission.repeats import Repeat
from shared.contracts import Door, Endpoint, Interruption, JsonObject, Lane

__all__ = ["CompletionRequest", "Departure", "Manner", "Wishes"]


class Departure(StrEnum):
    """What happens to a job when the client that waits for its answer leaves."""

    CANCEL = "cancel"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller asks of Sluice beside the request itself, by headers."""

    lane: Lane | None = None
    deadline: timedelta | None = None
    on_interrupt: Interruption | None = None
    feature: str | None = None
    not_before: datetime | None = None
    on_disconnect: Departure | None = None
    labels: dict[str, str] | None = None
    """For the rules of routing."""
    key: str | None = None
    """By which the request is recognised when it is sent again."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a door treats what the request leaves open."""

    door: Door
    lane: Lane
    streams_unless_told: bool = False
    """Whether deltas are written when the body does not say `stream`."""
    stream_on_interrupt: Interruption | None = None
    """The policy of a stream that cannot unsay what it showed; None leaves it to the configuration."""
    on_disconnect: Departure = Departure.CONTINUE
    endpoint: Endpoint | None = None
    """What is asked for at this door; None where the request says it."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    door: Door
    lane: Lane
    model: str
    body: JsonObject
    streamed: bool
    endpoint: Endpoint = Endpoint.CHAT
    output_tokens: int | None = None
    """The most output the caller asks for, of each choice; None when it leaves that to the model."""
    deadline: timedelta | None = None
    """Counts from when the job may begin."""
    not_before: datetime | None = None
    on_interrupt: Interruption | None = None
    on_disconnect: Departure = Departure.CONTINUE
    custom_id: str | None = None
    user: str | None = None
    feature: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] | None = None
    repeat: Repeat | None = None
    """Set when the sender says how the request is recognised if it comes again."""
