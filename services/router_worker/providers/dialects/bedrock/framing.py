"""Which events are in an `application/vnd.amazon.eventstream`, however it is cut? botocore knows lengths and sums.

smithy.io/2.0/aws/amazon-eventstream.html.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Final

import orjson

from services.router_worker.providers.sse import ServerSentEvent

__all__ = ["EXCEPTION", "EventStreamFraming", "NoFraming", "is_installed"]

EXCEPTION: Final = "exception"
"""The name of an event by which an answer breaks off. Its kind is in `__type`, as in the body of a refusal."""

_OUT_OF_FORM: Final = (struct.error, IndexError, KeyError)


@cache
def is_installed() -> bool:
    return find_spec("botocore") is not None


class EventStreamFraming:
    """`reading.Framing`. A message is at most 24 MB, which botocore sees to."""

    def __init__(self) -> None:
        from botocore.eventstream import EventStreamBuffer, ParserError

        self._buffer = EventStreamBuffer()
        self._errors = (*_OUT_OF_FORM, ParserError)

    def feed(self, packet: bytes) -> Iterator[ServerSentEvent]:
        """Told one by one: what stands before a broken message counts."""
        self._buffer.add_data(packet)
        try:
            for message in self._buffer:
                yield _event(message.headers, message.payload)
        except self._errors as error:
            raise ValueError("a message of no event stream") from error


class NoFraming:
    """Of an answer that is one document."""

    def feed(self, _packet: bytes) -> Sequence[ServerSentEvent]:
        raise ValueError("an event where a document was asked for")


def _event(headers: dict[str, object], payload: bytes) -> ServerSentEvent:
    match headers[":message-type"]:
        case "event":
            return ServerSentEvent(payload, str(headers[":event-type"]), "")
        case "exception":
            said = orjson.loads(payload or b"{}")
            return ServerSentEvent(orjson.dumps({**said, "__type": headers[":exception-type"]}), EXCEPTION, "")
        case _:
            error = {"__type": headers.get(":error-code"), "message": headers.get(":error-message")}
            return ServerSentEvent(orjson.dumps(error), EXCEPTION, "")
