"""What an API dialect must know. Pure: bytes and words in, words and bytes out; no clock, no socket, no chance."""

from enum import Enum, auto
from typing import NamedTuple, Protocol

from simulator.answer import Answer
from simulator.exchange import Ask, Event, Refusal, Request, Usage
from simulator.quota import Headroom, Refused

__all__ = ["Dialect", "Headers", "RefusalError", "Reply", "Route", "Stamp", "Voice"]

Headers = tuple[tuple[str, str], ...]


class Route(Enum):
    ANSWER = auto()
    MODELS = auto()


class Stamp(NamedTuple):
    """What names one answer."""

    call_id: str
    """Unique and without the prefix that some API wants."""
    created: int
    """Unix seconds."""
    model: str
    """As the caller wrote it, without the script that may stand behind it."""


class Reply(NamedTuple):
    """A whole response that is no answer of a model."""

    status: int
    headers: Headers
    body: bytes


class RefusalError(Exception):
    """The call ends here; `refusal` is what the API says to it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Voice(Protocol):
    """Speaks one answer."""

    @property
    def stream_headers(self) -> Headers: ...

    @property
    def whole_headers(self) -> Headers: ...

    def say(self, event: Event) -> bytes:
        """The bytes of one event of a stream; empty when the API has no words for it."""
        ...

    def whole(self, answer: Answer, usage: Usage | None) -> bytes:
        """The body for a caller who does not stream; without `usage` it says nothing of tokens."""
        ...


class Dialect(Protocol):
    """How one family of APIs speaks."""

    def serves(self, method: str, path: str) -> Route | None: ...

    def api_key(self, request: Request) -> str | None: ...

    def understand(self, request: Request) -> Ask:
        """Raises RefusalError."""
        ...

    def voice(self, ask: Ask, stamp: Stamp) -> Voice: ...

    def refuse(self, refusal: Refusal) -> Reply: ...

    def over_quota(self, model: str, refused: Refused) -> Refusal: ...

    def quota_headers(self, headroom: tuple[Headroom, ...], now: float) -> Headers:
        """`now` in Unix seconds, for APIs that name the moment at which a limit is full again."""
        ...

    def models(self, names: tuple[str, ...], created: int) -> Reply: ...
