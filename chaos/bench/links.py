"""A connection between two parts that can be cut, held, delayed or left half open: one small TCP proxy per pair.

Theory. A *link* listens for one part (the near end) and passes on to another (the far end). Each connection is a
*strand* with two lanes, one per direction; a lane is a queue of what came in and may not have gone out yet. Everything
that happens to a strand, its end included, goes through the lanes, so that a held connection that was closed meanwhile
still delivers its last bytes first.

An end that is *deaf* has lost its partner and is not told: what it sends is swallowed and nothing ever comes.
"""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from chaos.schedule import Act

__all__ = ["Address", "Link"]

_DELAY_SECONDS: Final = 0.25
_QUEUE_BYTES: Final = 1_000_000
"""A lane that holds more than this reads no further, as a network would."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_CONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int


class Link:
    """`listen` before anything else; `close` at the end."""

    def __init__(self, name: str, far: Address) -> None:
        self.name = name
        self.far = far
        self.condition: Act | None = None
        self._strands: set[_Strand] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, port: int, host: str = "127.0.0.1") -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._opened, host, port, backlog=512)

    def strike(self, act: Act) -> None:
        """Until `heal`. What is half open stays so for the connections that are; new ones after `heal` are whole."""
        self.condition = act
        for strand in tuple(self._strands):
            match act:
                case Act.CUT:
                    strand.reset()
                case Act.HALF_OPEN:
                    strand.lose(strand.far)
                case Act.DESERTED:
                    strand.lose(strand.near)
                case _:
                    pass

    def heal(self) -> None:
        self.condition = None
        for strand in self._strands:
            strand.pump()

    def bury(self) -> None:
        """End the connections that one side still believes in: nothing of them will ever come."""
        for strand in tuple(self._strands):
            if strand.near.deaf or strand.far.deaf:
                strand.reset()

    def lead_to(self, far: Address) -> None:
        """From now on somewhere else; whoever was connected must come again."""
        self.far = far
        for strand in tuple(self._strands):
            strand.reset()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for strand in tuple(self._strands):
                strand.reset()
            await self._server.wait_closed()

    def _opened(self) -> "_End":
        strand = _Strand(self)
        self._strands.add(strand)
        return strand.near

    def forget(self, strand: "_Strand") -> None:
        self._strands.discard(strand)


class _Strand:
    """One connection: a near end, a far end, and what is on its way between them."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.near = _End(self)
        self.far = _End(self)
        self.near.partner, self.far.partner = self.far, self.near
        self._connecting: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The near end has come."""
        match self.link.condition:
            case Act.CUT | Act.DESERTED:
                self.reset()
            case Act.HALF_OPEN:
                self.near.deaf = True
            case _:
                self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        far = self.link.far
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.get_running_loop().create_connection(lambda: self.far, far.host, far.port)
        except (OSError, TimeoutError):
            self.reset()
            return
        self.pump()

    def pump(self) -> None:
        self.near.pump()
        self.far.pump()

    def lose(self, end: "_End") -> None:
        """That end goes, and its partner is not told."""
        for each in (end, end.partner):
            each.deaf = True
            each.lane.clear()
        end.partner.read_on()
        end.abort()

    def reset(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        self.near.abort()
        self.far.abort()
        self.link.forget(self)

    def ended(self) -> None:
        if self.near.is_over and self.far.is_over:
            self.link.forget(self)


class _Gone:
    """On a lane: whoever spoke here has closed the connection, in order or not."""


_FIN: Final = _Gone()
_RST: Final = _Gone()


@dataclass(slots=True)
class _Lane:
    """What an end has sent and its partner not yet received."""

    waiting: deque[tuple[float, bytes | _Gone]] = field(default_factory=deque)
    size: int = 0

    def put(self, due: float, item: bytes | _Gone) -> None:
        self.waiting.append((due, item))
        self.size += len(item) if isinstance(item, bytes) else 0

    def take(self) -> bytes | _Gone:
        _, item = self.waiting.popleft()
        self.size -= len(item) if isinstance(item, bytes) else 0
        return item

    def clear(self) -> None:
        self.waiting.clear()
        self.size = 0


class _End(asyncio.Protocol):
    partner: "_End"

    def __init__(self, strand: _Strand) -> None:
        self._strand = strand
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._congested = False
        self.lane = _Lane()
        """From here to the partner."""
        self.deaf = False
        self._closed = False

    @property
    def is_over(self) -> bool:
        return self._closed or self._transport is None

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # of a TCP connection
        if self._strand.near is self:
            self._strand.begin()

    def data_received(self, data: bytes) -> None:
        self._send(data)

    def eof_received(self) -> bool:
        self._send(_FIN)
        return True  # the other direction goes on

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - by FIN or by RST, it is over
        self._closed = True
        self._send(_RST)
        self._strand.ended()

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        self.partner.pump()

    # --- the lane ---

    def _send(self, item: bytes | _Gone) -> None:
        if self.deaf:
            return
        delayed = self._strand.link.condition is Act.DELAY
        due = asyncio.get_running_loop().time() + (_DELAY_SECONDS if delayed else 0.0)
        self.lane.put(due, item)
        self.pump()

    def pump(self) -> None:
        """Hand on what may go on."""
        partner, now = self.partner, asyncio.get_running_loop().time()
        may_go = self._strand.link.condition is not Act.HOLD and partner.is_connected
        while may_go and self.lane.waiting and not partner.is_congested:
            due = self.lane.waiting[0][0]
            if due > now:
                self._wake_at(due)
                break
            partner.receive(self.lane.take())
        self._throttle()

    def receive(self, item: bytes | _Gone) -> None:
        """From the partner."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if isinstance(item, bytes):
            transport.write(item)
        elif item is _FIN:
            with contextlib.suppress(OSError, RuntimeError):  # it may be closing by itself
                transport.write_eof()
        else:
            transport.close()

    @property
    def is_connected(self) -> bool:
        return self._transport is not None

    @property
    def is_congested(self) -> bool:
        return self._congested

    def abort(self) -> None:
        """With a reset, so that the far side of this connection knows at once."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is None or self._closed:
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def read_on(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _throttle(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self.lane.size > _QUEUE_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        elif self.lane.size <= _QUEUE_BYTES:
            self.read_on()

    def _wake_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self.pump)
