"""What comes when not the API answers: pages, redirects, bytes without end. Pure."""

import zlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from simulator.dialects.dialect import Headers
from simulator.faults import Stray
from simulator.packets import Packet

__all__ = ["Strayed", "strayed"]

_PAGE = b"<!doctype html>\n<html><body><h1>Sign in to the network</h1></body></html>\n"
_SAID = {
    "page": ("text/html; charset=utf-8", _PAGE),
    "shape": ("application/json", b'{"verdict": "fine", "values": [1, 2, 3]}'),
    "words": ("text/plain", b"upstream connect error or disconnect/reset before headers\n"),
}
_MEGABYTE = 1_000_000


class Strayed(NamedTuple):
    status: int
    headers: Headers
    packets: Iterator[Packet]


def strayed(fault: Stray, wait: float, error: bytes) -> Strayed:
    """`error` is the body of the API's own."""
    stream = ("content-type", "text/event-stream")
    match fault.stray:
        case "redirect":
            headers = (("location", "https://elsewhere.invalid/v1?token=abc"), ("content-type", "text/html"))
            return Strayed(307, headers, _once(wait, _PAGE))
        case "line":
            return Strayed(200, (stream,), _line(wait))
        case "bomb":
            return Strayed(200, (stream, ("content-encoding", "gzip")), _once(wait, _bomb()))
        case "error":
            return Strayed(200, (("content-type", "application/json"),), _once(wait, error))
        case kind:
            said, body = _SAID[kind]
            return Strayed(200, (("content-type", said),), _once(wait, body))


def _once(wait: float, body: bytes) -> Iterator[Packet]:
    yield Packet(wait, body, end="error")


def _line(wait: float) -> Iterator[Packet]:
    yield Packet(wait, b"data: ")
    while True:
        yield Packet(0.0, b"x" * 100_000)


@cache
def _bomb() -> bytes:
    """Of 100 MB, whose lines are comments."""
    packing = zlib.compressobj(wbits=31)
    lines = b":\n" * (_MEGABYTE // 2)
    return b"".join([*(packing.compress(lines) for _ in range(100)), packing.flush()])
