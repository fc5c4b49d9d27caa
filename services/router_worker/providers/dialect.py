"""How does a family of provider APIs speak? A new one is a file in `dialects/` and a line in `registry.py`.

A caller speaks OpenAI's format and gets it back, whoever served it. OpenAI's own dialect lets the request through as it
is; any other reads it by `chat`, writes it in its own words, and says what it has none for. Answers are read by a
`reading.Reader`, which says in a `telling.Telling` what it found. Then nothing of a family stands anywhere else.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from services.router_worker.events import AttemptEvent, RateLimit
from services.router_worker.failures import Failure, Unsupported
from services.router_worker.routing.plan import Candidate
from shared.clock import unix_ms
from shared.config.quirks import Quirks
from shared.config.schema import Provider
from shared.contracts import Endpoint, Job, JsonObject
from shared.ids import completion_id

__all__ = ["Decoder", "Dialect", "Envelope", "HttpCall", "asked", "envelope_of", "to_json"]


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
    endpoint: Endpoint = Endpoint.CHAT
    base64: bool = False
    """Whether the caller wants embeddings packed, as the official clients do."""
    quirks: Quirks = Quirks()
    """Of the server that answers."""
    resumed: bool = False
    """Whether the attempt goes on behind text that was shown: then there may be nothing left to say."""


def envelope_of(job: Job, candidate: Candidate, provider: Provider, resume_text: str | None) -> Envelope:
    options = job.body.get("stream_options")
    return Envelope(
        completion_id=completion_id(job.id),
        created=unix_ms(job.accepted_at) // 1000,
        model=candidate.serves,
        streamed=job.streamed and job.endpoint is Endpoint.CHAT,
        endpoint=job.endpoint,
        base64=job.body.get("encoding_format") == "base64",
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        quirks=provider.quirks,
        resumed=bool(resume_text),
    )


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

    def encode(
        self, job: Job, candidate: Candidate, provider: Provider, resume_text: str | None
    ) -> HttpCall | Unsupported:
        """The call for `job`, or what of it this family has no words for. With `resume_text`, it goes on behind that.

        A plain key is in its headers; anything that has to be fetched or signed is added by `credentials`.
        """
        ...

    def decoder(self, envelope: Envelope) -> Decoder:
        """For the body of one answer with status 200."""
        ...

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """What an answer with any other status means. Header names are in lower case; `body` may be cut short."""
        ...

    def limits(self, headers: Mapping[str, str]) -> Sequence[RateLimit]:
        """What an answer's headers say of the account's limits, whatever its status. Names are in lower case."""
        ...


def asked(body: JsonObject, provider: Provider) -> JsonObject:
    """The request without what the provider's section says may be left out: the first thing an `encode` does."""
    if not provider.drop:
        return body
    kept: JsonObject = {name: value for name, value in body.items() if name not in provider.drop}
    messages = kept.get("messages")
    inside = {name.removeprefix("messages.") for name in provider.drop if name.startswith("messages.")}
    if inside and isinstance(messages, list):
        kept["messages"] = [
            {name: value for name, value in each.items() if name not in inside} if isinstance(each, dict) else each
            for each in messages
        ]
    return kept


def to_json(body: JsonObject) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        # Whole numbers beyond 64 bits, which JSON allows and a caller's own fields may hold.
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
