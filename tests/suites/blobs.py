"""A blob store in memory."""

from dataclasses import dataclass, field

from shared.blobs import BlobMissingError, BlobsAwayError
from shared.contracts import BlobRef

__all__ = ["MemoryBlobs"]


@dataclass(slots=True)
class MemoryBlobs:
    """`Blobs`, without a disk. `away` makes every call fail."""

    kept: dict[str, bytes] = field(default_factory=dict)
    away: bool = False

    async def leave(self, key: str, content: bytes) -> BlobRef:
        self._answer()
        self.kept[key] = content
        return BlobRef(key=key, size=len(content))

    async def collect(self, blob: BlobRef) -> bytes:
        self._answer()
        if blob.key not in self.kept:
            raise BlobMissingError(blob.key)
        return self.kept[blob.key]

    async def folders(self) -> list[str]:
        self._answer()
        return sorted({key.partition("/")[0] for key in self.kept})

    async def clear(self, folder: str, most: int) -> int:
        self._answer()
        below = [key for key in self.kept if key.startswith(f"{folder}/")][:most]
        for key in below:
            del self.kept[key]
        return len(below)

    def _answer(self) -> None:
        if self.away:
            raise BlobsAwayError("away")
