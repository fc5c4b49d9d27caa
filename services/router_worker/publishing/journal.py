"""The events of one running job: numbered, and kept until its end so that a log Redis lost can be written again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from services.router_worker.events import Chunk
from services.router_worker.publishing.coalescing import coalesce
from shared.contracts import Job
from shared.job_log import Cursor, EventType, JobKeys, encode_entry

__all__ = ["Ending", "Journal"]


@dataclass(frozen=True, slots=True)
class Ending:
    entry: bytes
    outcome: bytes
    ttl_ms: int
    used_tokens: int
    """Of all attempts: what the job took of its limits is corrected by them."""


@dataclass(slots=True, eq=False)
class Journal:
    """Entry number i (from 0) has the id `<epoch>-<i + 1>`; number 0 was written when the job was taken."""

    job: Job
    keys: JobKeys
    epoch: int
    ttl_ms: int
    on_fenced: Callable[[], None]
    """Called once, when a higher epoch has taken the job: stop the provider call, write nothing more."""
    claim: dict[str, bytes]
    """Fields of the claim as this worker last wrote them, for restoring it."""
    base: int
    """How many entries of former epochs the log holds below this journal's first."""
    wake: Callable[["Journal", bool], None]
    """Tells the flusher that something waits; whether it is urgent."""
    finish: Callable[["Journal", "Ending"], Awaitable[bool]]
    leave: Callable[["Journal"], None]
    """Tells the flusher that the run is over."""
    kept: list[bytes]
    written: int = 1
    """How many of `kept` the log is known to hold."""
    fenced: bool = False
    showed_output: bool = False
    _chunks: list[Chunk] = field(default_factory=list)

    def show(self, chunk: Chunk) -> None:
        """Append a delta. The job's first output goes out at once, later ones with the next tick."""
        urgent = chunk.is_output and not self.showed_output
        self.showed_output = self.showed_output or chunk.is_output
        self._chunks.append(chunk)
        self.wake(self, urgent)

    def note(self, event: EventType, data: bytes) -> None:
        """Append what happened. It goes out with the next tick: nobody's next step waits for it."""
        self.seal()
        self.kept.append(encode_entry(event, data))
        self.wake(self, False)

    async def end(self, event: EventType, data: bytes, outcome: bytes, ttl_ms: int, used_tokens: int) -> bool:
        return await self.finish(self, Ending(encode_entry(event, data), outcome, ttl_ms, used_tokens))

    def close(self) -> None:
        self.leave(self)

    def seal(self) -> None:
        """Turn the waiting chunks into entries."""
        if self._chunks:
            self.kept.extend(encode_entry(EventType.DELTA, data) for data in coalesce(self._chunks))
            self._chunks.clear()

    def cursor(self, number: int) -> Cursor:
        return Cursor(self.epoch, number + 1)

    def rewind(self, length: int) -> None:
        """The log holds only `length` entries: continue writing from there."""
        if length < self.base:
            self.base = length  # entries of former epochs are gone for good; a restart has voided them
            self.written = 0
        else:
            self.written = length - self.base

    def fence(self) -> None:
        if not self.fenced:
            self.fenced = True
            self.on_fenced()
