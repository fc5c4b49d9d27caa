"""What events are in a `text/event-stream`, however it is cut into packets? Pure, and quick: it runs once per token.

The rules are those of the HTML standard, section 9.2.6, but `retry` is ignored: nobody reconnects to a completion. The
data stay bytes, because whoever reads them parses JSON from bytes.
"""

from typing import NamedTuple

__all__ = ["ServerSentEvent", "SseDecoder", "SseOverflowError"]

_BOM = b"\xef\xbb\xbf"
_LF, _CR = b"\n\r"


class ServerSentEvent(NamedTuple):
    data: bytes
    event: str
    """`message` when the stream does not name it."""
    id: str
    """The last one that the stream gave."""


class SseOverflowError(ValueError):
    """An event is larger than anybody may send."""


class SseDecoder:
    """Feed it packets, get the events they complete. An event that lacks its blank line at the end is dropped."""

    __slots__ = ("_after_cr", "_beginning", "_data", "_event", "_id", "_limit", "_line", "_size")

    def __init__(self, limit: int = 8_000_000) -> None:
        self._limit = limit
        self._size = 0
        """Bytes taken by what is pending, at most a packet too many."""
        self._beginning = True
        self._after_cr = False
        """The last packet ended with CR: an LF at the beginning of the next one belongs to it."""
        self._line: list[bytes] = []
        """The beginning of a line whose end has not come; joined once, lest a long line cost its square."""
        self._data: list[bytes] = []
        self._event = ""
        self._id = ""

    def feed(self, packet: bytes) -> list[ServerSentEvent]:
        """Raises SseOverflowError; the decoder is of no use afterwards."""
        taken = len(packet)
        if self._line or self._after_cr or self._beginning:
            packet = self._joined(self._opened(packet))
        if not packet:
            return self._still_pending([], taken)
        lines = packet.splitlines()
        if packet[-1] == _CR:
            self._after_cr = True
        elif packet[-1] != _LF:
            self._line.append(lines.pop())
        events: list[ServerSentEvent] = []
        data = self._data
        for line in lines:
            if line.startswith(b"data: "):
                data.append(line[6:])
            elif line:
                self._field(line)
            else:
                if data:
                    events.append(ServerSentEvent(b"\n".join(data), self._event or "message", self._id))
                    data.clear()
                self._event = ""
        if data or self._line:
            return self._still_pending(events, taken)
        self._size = 0
        return events

    def _opened(self, packet: bytes) -> bytes:
        """The packet without the stream's byte order mark, and without the LF that the last packet's CR waits for."""
        if self._beginning:
            packet = b"".join(self._line) + packet
            self._line.clear()
            if len(packet) < len(_BOM) and _BOM.startswith(packet):
                self._line.append(packet)
                return b""
            self._beginning = False
            packet = packet.removeprefix(_BOM)
        if self._after_cr and packet:
            self._after_cr = False
            packet = packet.removeprefix(b"\n")
        return packet

    def _joined(self, packet: bytes) -> bytes:
        """The packet behind the pending line, or nothing while that goes on."""
        if not self._line:
            return packet
        self._line.append(packet)
        if b"\n" not in packet and b"\r" not in packet:
            return b""
        packet = b"".join(self._line)
        self._line.clear()
        return packet

    def _still_pending(self, events: list[ServerSentEvent], taken: int) -> list[ServerSentEvent]:
        self._size = taken if events else self._size + taken
        if self._size > self._limit:
            raise SseOverflowError(f"an event of more than {self._limit} bytes")
        return events

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")
