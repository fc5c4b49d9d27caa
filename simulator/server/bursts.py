"""Which packets go out together: a response as a sequence of writes, with HTTP's frame around them. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal, TypeAlias

from simulator.packets import Packet
from simulator.response import Response
from simulator.server.http import LAST_CHUNK, response_head

__all__ = ["Burst", "End", "bursts"]

End: TypeAlias = Literal["completed", "error", "close", "reset"]
"""The response is complete, or reports an error and is complete, or the connection ends in one of two ways."""

_PACKETS_TOGETHER: Final = 32
"""What a stream without gaps may send before others have their turn."""
_MADE_AHEAD: Final = 16


Burst: TypeAlias = tuple[float, bytes, int, int | None, End | None]
"""Seconds since the burst before (infinite: a silence until the client leaves), the bytes, how many tokens are complete
with them, what the usage in them says, and how the response ends if this is the last burst. A plain tuple because one
is made per token."""


def bursts(response: Response, *, keep_alive: bool) -> Iterator[Burst]:
    """Made a few ahead: making many at a time takes a third of the time of making each in its turn, between those of
    hundreds of other streams."""
    head = b""
    if response.status is not None:
        head = response_head(response.status, response.headers, response.length, keep_alive=keep_alive)
    made = _burst_by_burst(response.packets, head, chunked=response.length is None)
    while batch := tuple(islice(made, _MADE_AHEAD)):
        yield from batch


def _burst_by_burst(packets: Iterable[Packet], head: bytes, *, chunked: bool) -> Iterator[Burst]:
    due, out, tokens, reported = 0.0, [head], 0, None
    count = 0
    how: End = "completed"
    for wait, data, complete, told, end in packets:
        # A reset destroys what is not yet on its way, so nothing goes out together with it.
        if count and (wait or count == _PACKETS_TOGETHER or end == "reset"):
            yield due, out[0] if len(out) == 1 else b"".join(out), tokens, reported, None
            due, out, tokens, reported, count = 0.0, [], 0, None, 0
        count += 1
        due += wait
        tokens += complete
        if data:
            out.append(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
        if told is not None:
            reported = told
        if end is not None:
            how = end
    if chunked and how in {"completed", "error"}:
        out.append(LAST_CHUNK)
    yield due, b"".join(out), tokens, reported, how
