"""How are the bytes of an answer taken apart? Frames and JSON here; what they mean is a family's `Reader`.

The rules for all families: an event that is no JSON, or that lacks what its reader looks for, is malformed; an event
stream never begins with a brace, so what does is one document, an error or the answer of a server that cannot stream;
no answer is larger than anybody may send.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import orjson

from services.router_worker.events import AttemptEvent, Failed
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialect import Envelope
from services.router_worker.providers.sse import ServerSentEvent, SseDecoder, SseOverflowError
from services.router_worker.providers.strangers import PAGE
from services.router_worker.providers.telling import Telling
from shared.contracts import JsonObject

__all__ = ["AnswerDecoder", "DocumentDecoder", "Framing", "Reader"]

_LIMIT: Final = 64_000_000

_TOO_LARGE: Final = Failure(FailureKind.MALFORMED, f"The answer is larger than {_LIMIT} bytes.")
_NO_BODY: Final = Failure(FailureKind.EMPTY, "The provider answered with an empty body.")
_SHAPELESS: Final = Failure(FailureKind.MALFORMED, "The provider's answer has not the form of one.")

_OUT_OF_SHAPE: Final = (orjson.JSONDecodeError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What lacks the shape that its reader expects shows itself on first use: cheaper than to ask each time."""


class Reader(Protocol):
    """Knows what one answer of a family means. What it raises because something is not there is a malformed answer."""

    def event(self, name: str, data: JsonObject, /) -> None:
        """One event of a stream; `name` is `message` where the family names none."""
        ...

    def whole(self, body: JsonObject) -> None:
        """The answer in one piece, or an error that came with status 200. Afterwards the telling has ended."""
        ...


class Framing(Protocol):
    """Cuts a stream into events, however the network cut it."""

    def feed(self, packet: bytes) -> Iterable[ServerSentEvent]:
        """Raises a ValueError for what is no such stream."""
        ...


class DocumentDecoder:
    """`dialect.Decoder` for an answer that is one document and nothing else, such as embeddings."""

    __slots__ = ("_ended", "_packets", "_read", "_size")

    def __init__(self, read: Callable[[JsonObject], Sequence[AttemptEvent]]) -> None:
        """What `read` raises because something is not there is a malformed answer."""
        self._read = read
        self._packets: list[bytes] = []
        self._size = 0
        self._ended = False

    def feed(self, chunk: bytes) -> Sequence[AttemptEvent]:
        if self._ended:
            return ()
        self._size += len(chunk)
        if self._size > _LIMIT:
            return self._fail(_TOO_LARGE)
        self._packets.append(chunk)
        return ()

    def close(self, cause: Failure | None = None) -> Sequence[AttemptEvent]:
        if self._ended:
            return ()
        if cause is not None:
            return self._fail(cause)
        self._ended = True
        body = b"".join(self._packets)
        if not body.strip():
            return self._fail(_NO_BODY)
        try:
            return self._read(orjson.loads(body))
        except _OUT_OF_SHAPE:
            return self._fail(_SHAPELESS)

    def _fail(self, failure: Failure) -> Sequence[AttemptEvent]:
        self._ended = True
        self._packets.clear()
        return (Failed(failure),)


class AnswerDecoder:
    """`dialect.Decoder` for one answer, around a reader."""

    __slots__ = ("_document", "_framing", "_fresh", "_reader", "_size", "_strange", "_telling")

    def __init__(
        self, envelope: Envelope, reader: Callable[[Telling], Reader], framing: Callable[[], Framing] = SseDecoder
    ) -> None:
        self._telling = Telling(envelope)
        self._reader = reader(self._telling)
        self._framing = framing()
        self._document: list[bytes] | None = None if envelope.streamed else []
        """Its packets so far, when the answer is one document."""
        self._fresh = envelope.streamed
        self._strange = False
        """Whether it cannot be an answer at all."""
        self._size = 0

    def feed(self, chunk: bytes) -> Sequence[AttemptEvent]:
        if self._telling.ended:
            return ()
        if self._fresh:
            self._look(chunk)
        if self._strange:
            self._telling.fail(PAGE)
        elif self._document is not None:
            self._collect(self._document, chunk)
        else:
            self._take(chunk)
        return self._telling.told()

    def close(self, cause: Failure | None = None) -> Sequence[AttemptEvent]:
        if self._telling.ended:
            return ()
        if self._document is not None and cause is None:
            self._read(b"".join(self._document))
        self._telling.close(cause)
        return self._telling.told_at_once()

    def _look(self, chunk: bytes) -> None:
        start = chunk.lstrip()[:1]
        if start:
            self._fresh = False
        if start in (b"{", b"["):
            self._document = []
        self._strange = start == b"<"

    def _collect(self, document: list[bytes], chunk: bytes) -> None:
        self._size += len(chunk)
        document.append(chunk)
        if self._size > _LIMIT:
            document.clear()
            self._telling.fail(_TOO_LARGE)

    def _read(self, body: bytes) -> None:
        if not body.strip():
            self._telling.fail(_NO_BODY)
            return
        try:
            parsed = orjson.loads(body)
            self._reader.whole(parsed[0] if isinstance(parsed, list) else parsed)
        except _OUT_OF_SHAPE:
            self._telling.fail(_SHAPELESS)

    def _take(self, chunk: bytes) -> None:
        try:
            for event in self._framing.feed(chunk):
                if self._telling.ended:
                    return
                self._reader.event(event.event, orjson.loads(event.data))
        except SseOverflowError as overflow:
            self._malformed(f"The provider sent {overflow}.")
        except _OUT_OF_SHAPE:
            self._malformed("The provider sent an event that has not the form of one.")

    def _malformed(self, message: str) -> None:
        self._telling.fail(Failure(FailureKind.MALFORMED, message))
