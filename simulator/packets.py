"""Which bytes are sent when: the moments of an answer, spoken in a dialect and cut into packets."""

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from random import Random
from typing import Literal, NamedTuple

from simulator.course import Hung, Moment, Whole, is_token
from simulator.dialects.dialect import Voice
from simulator.exchange import Broke, Finished, Reported, Usage
from simulator.script import Script

__all__ = ["Packet", "mannered", "streamed", "unstreamed"]

_SPLIT_GAP = 0.001
"""Enough for a reader to take the first packet before the second is there."""


class Packet(NamedTuple):
    wait: float
    """Seconds since the packet before; infinite is a silence until the client leaves."""
    data: bytes
    tokens: int = 0
    """How many tokens are complete with this packet."""
    reported: int | None = None
    """What the usage in it says."""
    end: Literal["close", "reset", "error"] | None = None
    """How the answer ends here, if not as it should."""


def streamed(moments: Iterable[Moment], voice: Voice) -> Iterator[Packet]:
    for wait, event in moments:
        if isinstance(event, Hung):
            yield Packet(wait, b"", end="reset" if event.reset else "close")
            return
        data = voice.say(event)
        if is_token(event):
            yield Packet(wait, data, 1)
            continue
        match event:
            case Broke():
                yield Packet(wait, data, end="error")
                return
            case Reported(usage) | Finished(_, _, usage) if usage is not None:
                yield Packet(wait, data, reported=usage.output_tokens)
            case _:
                yield Packet(wait, data)


def unstreamed(found: Whole, body: bytes, usage: Usage | None) -> Iterator[Packet]:
    """The packets of `body`. Its tokens count when all of it is out: of a part nobody can read any."""
    if isinstance(found.interruption, Hung):
        yield Packet(found.seconds, body[: len(body) // 2])
        yield Packet(0.0, b"", end="reset" if found.interruption.reset else "close")
    elif found.silent:
        yield Packet(math.inf, b"")
    else:
        yield Packet(found.seconds, body, found.tokens, usage.output_tokens if usage else None)


def mannered(packets: Iterable[Packet], script: Script, rng: Random) -> Iterable[Packet]:
    """The same bytes, as the script wants them to arrive."""
    if script.split:
        packets = _split(packets, script.split, rng)
    if script.drip_bytes:
        packets = _dripped(packets, script.drip_bytes, script.drip_gap)
    return packets


def _split(packets: Iterable[Packet], cuts: int, rng: Random) -> Iterator[Packet]:
    for packet in packets:
        places = sorted(rng.sample(range(1, len(packet.data)), min(cuts, len(packet.data) - 1))) if packet.data else []
        yield from _parts(packet, [0, *places], _SPLIT_GAP)


def _dripped(packets: Iterable[Packet], size: int, gap: float) -> Iterator[Packet]:
    for packet in packets:
        yield from _parts(packet, list(range(0, len(packet.data), size)) or [0], gap)


def _parts(packet: Packet, starts: list[int], gap: float) -> Iterator[Packet]:
    """`packet` in parts that begin at `starts`. What it carries is complete with the last one."""
    wait = packet.wait
    for start, end in pairwise(starts):
        yield Packet(wait, packet.data[start:end])
        wait = gap
    yield packet._replace(wait=wait, data=packet.data[starts[-1] :])
