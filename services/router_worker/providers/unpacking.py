"""What is in an answer that came packed, although nobody asked for that? Never more at once than a piece.

A small packet may hold gigabytes. So a packet is unpacked piece by piece, as far as somebody reads on, and an answer
that grows beyond all measure is given up: what a provider says packs at thirty to one at the very best.
"""

import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["PackedError", "Unpacker", "unpacker"]

_GZIP_OR_ZLIB: Final = 47
_PIECE_BYTES: Final = 262_144
_HARMLESS_BYTES: Final = 1_000_000
_MOST_FOLD: Final = 200


class PackedError(ValueError):
    """It cannot be unpacked, or ought not to be."""


class Unpacker:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._packed = self._unpacked = 0

    def feed(self, packet: bytes) -> Iterator[bytes]:
        """Raises PackedError; the unpacker is of no use afterwards."""
        while packet:
            try:
                piece = self._inflate.decompress(packet, _PIECE_BYTES)
            except zlib.error:
                raise PackedError("is not packed as it says") from None
            left = self._inflate.unconsumed_tail
            self._unpacked += len(piece)
            self._packed += len(packet) - len(left)
            if self._unpacked > _HARMLESS_BYTES and self._unpacked > _MOST_FOLD * self._packed:
                raise PackedError("unpacks into more than anybody may send")
            packet = left
            if piece:
                yield piece


def unpacker(encoding: str | None) -> Unpacker | None:
    """For a `content-encoding`; None where nothing is packed. Raises PackedError for what nobody here can unpack."""
    match (encoding or "identity").strip().lower():
        case "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return Unpacker()
        case _:
            raise PackedError("is packed in a way that nobody asked for")
