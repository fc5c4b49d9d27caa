"""How does a family of provider APIs speak? A new one is a file that fulfils `Dialect` and a line in `registry.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.router_worker.events import AttemptEvent
from services.router_worker.failures import Failure
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Job

__all__ = ["Decoder", "Dialect", "Envelope", "HttpCall"]


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A POST with a JSON body. The headers hold secrets, so they are not shown."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What Sluice writes around the provider's words, the same in every attempt of a job."""

    completion_id: str
    created: int
    """Seconds since the epoch."""
    model: str
    """Named in the answer when the provider names none."""
    streamed: bool
    include_usage: bool
    """Whether the caller asked for the usage chunk."""
    resumed: bool = False
    """Whether the attempt goes on behind text that was shown: then there may be nothing left to say."""


class Decoder(Protocol):
    """The bytes of one answer in, events out. Never waits, never raises for what a provider sent."""

    def feed(self, chunk: bytes) -> Sequence[AttemptEvent]:
        """The events that `chunk` completes. After `Finished` or `Failed` there are none."""
        ...

    def close(self, cause: Failure | None = None) -> Sequence[AttemptEvent]:
        """There are no more bytes; `cause` says why, when it was not the provider that ended them.

        Afterwards the last event was `Finished` or `Failed`: an answer that lacked only its end mark is finished.
        """
        ...


class Dialect(Protocol):
    """Pure: never opens, never waits, never logs."""

    def encode(self, job: Job, candidate: Candidate, provider: Provider, resume_text: str | None) -> HttpCall:
        """The call for `job`. With `resume_text`, the provider goes on behind it."""
        ...

    def decoder(self, envelope: Envelope) -> Decoder:
        """For the body of one answer with status 200."""
        ...

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """What an answer with any other status means. Header names are in lower case; `body` may be cut short."""
        ...
