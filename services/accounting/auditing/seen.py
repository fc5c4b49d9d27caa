"""Was it seen before? Of any number of names, in memory that is given beforehand. Pure.

A Bloom filter: what was seen it always knows; what was not it takes for seen once in a hundred thousand times, as long
as no more was added than expected, and more often beyond that.
"""

import struct
from hashlib import blake2b
from typing import Final

__all__ = ["Seen"]

_PLACES: Final = struct.Struct("<8Q")
"""So many bits a name sets."""
_BITS_EACH: Final = 32
_LEAST: Final = 10_000
_MOST_BYTES: Final = 64 * 1024 * 1024


class Seen:
    def __init__(self, expected: int) -> None:
        size = max(expected, _LEAST) * _BITS_EACH // 8
        self._bits = bytearray(min(size, _MOST_BYTES))

    def add(self, name: str) -> bool:
        """Returns whether it is new."""
        is_new = False
        for byte, bit in self._places(name):
            is_new |= not self._bits[byte] & bit
            self._bits[byte] |= bit
        return is_new

    def __contains__(self, name: str) -> bool:
        return all(self._bits[byte] & bit for byte, bit in self._places(name))

    def _places(self, name: str) -> list[tuple[int, int]]:
        digest = blake2b(name.encode(), digest_size=_PLACES.size).digest()
        most = len(self._bits) * 8
        return [(place % most // 8, 1 << place % 8) for place in _PLACES.unpack(digest)]
