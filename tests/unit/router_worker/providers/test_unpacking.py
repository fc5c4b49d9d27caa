"""Packed answers are unpacked however they are cut, and no more of them at once than a piece."""

import asyncio
import gzip
import zlib
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.providers.packets import packets_of
from services.router_worker.providers.unpacking import PackedError, Unpacker, unpacker


def unpacked(packets: list[bytes]) -> bytes:
    unpack = Unpacker()
    return b"".join(piece for packet in packets for piece in unpack.feed(packet))


@given(st.binary(max_size=2_000), st.lists(st.integers(0, 2_000), max_size=8), st.sampled_from([gzip, zlib]))
def test_however_it_is_cut_the_same_comes_out(content: bytes, places: list[int], packer: object) -> None:
    packed = packer.compress(content)  # type: ignore[attr-defined]
    cuts = sorted({0, len(packed), *(place for place in places if place < len(packed))})
    packets = [packed[start:end] for start, end in pairwise(cuts)]
    assert unpacked(packets) == content


def test_a_bomb_comes_in_pieces_until_it_is_known_for_one() -> None:
    packed = gzip.compress(b"\0" * 100_000_000)
    sizes: list[int] = []
    with pytest.raises(PackedError, match="more than anybody may send"):
        sizes.extend(len(piece) for piece in Unpacker().feed(packed))
    assert max(sizes) <= 262_144
    assert sum(sizes) <= 1_500_000, "however much of it came with the first packet"


class Source:
    """Of one packet."""

    def __init__(self, packet: bytes) -> None:
        self._packets = [packet]

    async def readany(self) -> bytes:
        return self._packets.pop() if self._packets else b""


async def test_others_go_on_between_two_pieces_of_a_packet() -> None:
    packed = gzip.compress(bytes(range(250)) * 4_000)
    response = httpx.Response(200, headers={"content-encoding": "gzip"}, extensions={"sluice.packets": Source(packed)})
    turns: list[str] = []

    async def other() -> None:
        while True:
            turns.append("other")
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    async for _ in packets_of(response):
        turns.append("piece")  # noqa: PERF401 - it is the order that matters
    task.cancel()
    pieces = [place for place, turn in enumerate(turns) if turn == "piece"]
    assert len(pieces) > 2
    assert all("other" in turns[one:next_] for one, next_ in pairwise(pieces))


def test_what_packs_well_is_no_bomb() -> None:
    events = b"".join(
        b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"w%d"}}]}\n\n' % n for n in range(200_000)
    )
    assert unpacked([gzip.compress(events)]) == events


def test_what_is_behind_the_end_is_nothing() -> None:
    assert unpacked([gzip.compress(b"Hi") + b"more", b"and more"]) == b"Hi"


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_nothing_is_packed_by_default(encoding: str | None) -> None:
    assert unpacker(encoding) is None


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_nobody_unpacks_what_was_not_asked_for(encoding: str) -> None:
    with pytest.raises(PackedError):
        unpacker(encoding)
