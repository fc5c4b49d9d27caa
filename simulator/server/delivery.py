"""Sends one response, each burst when it is due, and notes in the call what has gone out.

It waits in three ways: for the next burst's time, for a client that reads too slowly, and (a scripted silence) for the
client to leave. Each of them ends at the latest when the client leaves or the simulator stops.
"""

import asyncio
import math
import socket
import struct
from collections.abc import Callable
from typing import Final

from simulator.provider import Performance
from simulator.served import How
from simulator.server.bursts import End, bursts
from simulator.server.pace import Pace

__all__ = ["Delivery"]

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Delivery:
    def __init__(
        self,
        performance: Performance,
        transport: asyncio.Transport,
        pace: Pace,
        unix_now: Callable[[], float],
        ended: Callable[[How], None],
        *,
        keep_alive: bool,
    ) -> None:
        self._status = performance.response.status
        self._call = performance.call
        self._transport = transport
        self._pace = pace
        self._unix_now = unix_now
        self._ended = ended
        self._bursts = bursts(performance.response, keep_alive=keep_alive)
        self._burst = next(self._bursts)
        self._due = pace.now() + self._burst[0]
        self._take_turn = self._turn
        self._paused = False
        self._turn_missed = False
        self._over = False

    def start(self) -> None:
        if self._burst[0]:
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
            self._due = self._pace.now()
            self._turn()

    def client_left(self) -> None:
        if not self._over:
            self._finish("stalled" if math.isinf(self._burst[0]) else "client_left")

    def stop(self) -> None:
        if not self._over:
            self._finish("stopped")

    def _await_turn(self) -> None:
        if not math.isinf(self._due):
            self._pace.at(self._due, self._take_turn)

    def _turn(self) -> None:
        """The current burst is due."""
        if self._over:
            return
        if self._paused:
            self._turn_missed = True
            return
        _, data, tokens, reported, end = self._burst
        if data:
            self._transport.write(data)
            self._note(tokens, reported)
        if end is not None:
            self._end(end)
            return
        self._burst = next(self._bursts)
        self._due += self._burst[0]
        self._await_turn()

    def _note(self, tokens: int, reported: int | None) -> None:
        call = self._call
        if call is None:
            return
        if call.status is None:
            call.status = self._status
        if tokens:
            if not call.written:
                call.first_token_at = self._unix_now()
            call.written += tokens
        if reported is not None:
            call.reported = reported

    def _end(self, end: End) -> None:
        if end in {"completed", "error"}:
            self._finish(end)
            return
        self._finish("hung_up" if self._status is None else "cut")
        if end == "reset":
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()
        else:
            self._transport.close()

    def _finish(self, how: How) -> None:
        self._over = True
        self._ended(how)
