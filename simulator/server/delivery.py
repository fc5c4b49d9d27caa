"""Sends one response, each packet when it is due, and notes in the call what has gone out.

It waits in three ways: for the next packet's time, for a client that reads too slowly, and (a scripted silence) for the
client to leave. Each of them ends at the latest when the client leaves or the simulator stops.
"""

import asyncio
import math
import socket
import struct
from collections.abc import Callable
from typing import Final

from simulator.packets import Packet
from simulator.provider import Instant, Performance
from simulator.served import How
from simulator.server.http import LAST_CHUNK, chunk, response_head
from simulator.server.pace import Pace

__all__ = ["Delivery"]

_PACKETS_PER_TURN: Final = 32
"""What a stream without gaps may send before others have their turn."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Delivery:
    def __init__(
        self,
        performance: Performance,
        transport: asyncio.Transport,
        pace: Pace,
        clock: Callable[[], Instant],
        ended: Callable[[How], None],
        *,
        keep_alive: bool,
    ) -> None:
        response = performance.response
        self._call = performance.call
        self._transport = transport
        self._pace = pace
        self._clock = clock
        self._ended = ended
        self._status = response.status
        self._chunked = response.length is None
        self._unsent_head = b""
        if response.status is not None:
            self._unsent_head = response_head(response.status, response.headers, response.length, keep_alive=keep_alive)
        self._packets = iter(response.packets)
        self._packet = next(self._packets)
        self._due = clock().monotonic + self._packet.wait
        self._take_turn = self._turn
        self._paused = False
        self._turn_missed = False
        self._over = False

    def start(self) -> None:
        if self._packet.wait:
            self._await_turn()
        else:
            self._turn()

    def pause(self) -> None:
        """The client reads too slowly."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        if self._turn_missed:
            self._turn_missed = False
            self._due = self._clock().monotonic
            self._turn()

    def client_left(self) -> None:
        if not self._over:
            self._finish("stalled" if math.isinf(self._packet.wait) else "client_left")

    def stop(self) -> None:
        if not self._over:
            self._finish("stopped")
            self._transport.abort()

    def _await_turn(self) -> None:
        if not math.isinf(self._due):
            self._pace.at(self._due, self._take_turn)

    def _turn(self) -> None:
        """The current packet is due: send it, and those that come with it."""
        if self._over:
            return
        if self._paused:
            self._turn_missed = True
            return
        out: list[bytes] = []
        for _ in range(_PACKETS_PER_TURN):
            packet = self._packet
            if packet.end == "close" or packet.end == "reset":
                self._write(out)
                self._hang_up(packet.end)
                return
            self._put(packet, out)
            following = next(self._packets, None)
            if following is None:
                self._complete(out, "completed" if packet.end is None else "error")
                return
            self._packet = following
            if following.wait:
                self._due += following.wait
                break
        self._write(out)
        self._await_turn()

    def _put(self, packet: Packet, out: list[bytes]) -> None:
        if packet.data:
            out.append(chunk(packet.data) if self._chunked else packet.data)
        call = self._call
        if call is None:
            return
        if packet.tokens:
            if not call.written:
                call.first_token_at = self._clock().unix
            call.written += packet.tokens
        if packet.reported is not None:
            call.reported = packet.reported

    def _write(self, out: list[bytes]) -> None:
        if self._unsent_head and out:
            out.insert(0, self._unsent_head)
            self._unsent_head = b""
            if self._call:
                self._call.status = self._status
        if out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _complete(self, out: list[bytes], how: How) -> None:
        if self._chunked:
            out.append(LAST_CHUNK)
        self._write(out)
        self._finish(how)

    def _hang_up(self, by: str) -> None:
        self._finish("hung_up" if self._unsent_head or self._status is None else "cut")
        if by == "close":
            self._transport.close()
            return
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def _finish(self, how: How) -> None:
        self._over = True
        self._ended(how)
