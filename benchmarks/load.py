"""A load of streams on any OpenAI-speaking endpoint, and how late its tokens came: the generator of the benchmarks.

Reads raw bytes through aiohttp and looks only for where events end: it must cost less than what it measures.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
import orjson

__all__ = ["Endpoint", "Load", "Timing", "plain_load", "quantile", "stream_load", "token_ends"]

_CONTENT: Final = re.compile(rb'"content":"((?:[^"\\]|\\.)+)"')


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    key: str
    model: str


@dataclass(frozen=True, slots=True)
class Load:
    """`streams` at once, started spread over `spread_seconds`, `waves` times."""

    streams: int
    spread_seconds: float = 1.0
    waves: int = 2


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one answer, in seconds from its request."""

    pieces: tuple[tuple[float, int], ...]
    """When content came, and how much of the text had come by then, in characters as they stand in the JSON."""

    @property
    def first_token(self) -> float:
        return self.pieces[0][0]

    @property
    def length(self) -> int:
        return self.pieces[-1][1]

    def arrivals(self, token_ends: Sequence[int]) -> list[float]:
        """When each token had come, given where each ends in the text: Sluice may send several in one event."""
        times, place = [], 0
        for end in token_ends:
            while self.pieces[place][1] < end:
                place += 1
            times.append(self.pieces[place][0])
        return times


async def token_ends(endpoint: Endpoint) -> list[int]:
    """Where each token ends in the answer, which is the same for every call: from one stream with an event a token."""
    async with aiohttp.ClientSession() as session:
        return [end for _, end in (await _stream(session, endpoint, 0)).pieces]


async def stream_load(endpoint: Endpoint, load: Load, length: int) -> list[Timing]:
    """Raises when an answer does not have this length: a benchmark of broken answers says nothing."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector) as session:
        timings: list[Timing] = []
        for _ in range(load.waves):
            pause = load.spread_seconds / load.streams
            started = [asyncio.create_task(_stream(session, endpoint, n * pause)) for n in range(load.streams)]
            timings += await asyncio.gather(*started)
    broken = sum(timing.length != length for timing in timings)
    if broken:
        raise RuntimeError(f"{broken} of {len(timings)} answers were not whole")
    return timings


async def plain_load(endpoint: Endpoint, *, connections: int, requests: int, per_second: float | None) -> list[float]:
    """Answers that are not streamed; the seconds each took."""
    gate = asyncio.Semaphore(connections)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> float:
            if per_second:
                await asyncio.sleep(number / per_second)
            async with gate:
                began = time.perf_counter()
                async with _post(session, endpoint, stream=False) as response:
                    await response.read()
                return time.perf_counter() - began

        return list(await asyncio.gather(*(one(number) for number in range(requests))))


async def _stream(session: aiohttp.ClientSession, endpoint: Endpoint, delay: float) -> Timing:
    await asyncio.sleep(delay)
    began = time.perf_counter()
    pieces: list[tuple[float, int]] = []
    length, buffer = 0, b""
    async with _post(session, endpoint, stream=True) as response:
        async for data in response.content.iter_any():
            now = time.perf_counter() - began
            whole, mark, buffer = (buffer + data).rpartition(b"\n\n")
            if not mark:
                continue
            for content in _CONTENT.findall(whole):
                length += len(content)
                pieces.append((now, length))
    return Timing(tuple(pieces))


def _post(
    session: aiohttp.ClientSession, endpoint: Endpoint, *, stream: bool
) -> "aiohttp.client._RequestContextManager":
    body = {"model": endpoint.model, "stream": stream, "messages": [{"role": "user", "content": "Say what you see."}]}
    return session.post(
        f"{endpoint.url}/v1/chat/completions",
        data=orjson.dumps(body),
        headers={"authorization": f"Bearer {endpoint.key}", "content-type": "application/json"},
        raise_for_status=True,
    )


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
