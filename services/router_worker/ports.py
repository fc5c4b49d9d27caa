"""What running a job needs from the world, named for the need."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from services.router_worker.events import Chunk
from services.router_worker.outcome import AttemptBegun
from shared.contracts import AttemptFinished, Job, JobEnded, TokenUsage
from shared.ids import JobId
from shared.job_log import Entry, EventType
from shared.money import Nanodollars

__all__ = [
    "Begun",
    "Claims",
    "Ended",
    "FlushMeasures",
    "Hold",
    "Holds",
    "JobLog",
    "JobQueue",
    "Journals",
    "LargeAnswers",
    "Liveness",
    "Look",
    "Measures",
    "Outcomes",
    "Owned",
    "Place",
    "RunningElsewhere",
    "Shadows",
    "Taken",
    "TokenEstimates",
    "Uncertain",
    "Unreachable",
]


class Unreachable(Exception):  # noqa: N818 - a state of the world, not a mistake
    """A server Sluice stands on does not answer. Whoever asked waits and asks again; nothing is lost by it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The job is ours under this epoch."""

    epoch: int
    log_length: int
    first_entry: bytes
    """The entry that the taking itself wrote to the log."""
    cancelled: bool
    deaths: int
    """How many workers have died while they ran it."""
    begun: Mapping[int, bytes]
    """What former owners noted when they began an attempt, by its number."""
    finished: Mapping[int, bytes]
    """What they noted at its end, where they lived to see it."""
    deferral: int = 0
    """The epoch that put the job off last, 0 for none: its record counts, and older ones do not."""
    forgotten: int = 0
    """How many attempts Redis may have forgotten: ours are numbered beyond, and readers may hold a part of one."""


@dataclass(frozen=True, slots=True)
class RunningElsewhere:
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Redis may have forgotten who runs the job."""

    seconds: float
    """Within these whoever runs it says so again."""


@dataclass(frozen=True, slots=True)
class Ended:
    outcome: bytes
    owner: str
    owner_lives: bool
    published: bool
    """Whether Kafka has its usage and result."""


Owned = Taken | RunningElsewhere | Uncertain | Ended


@dataclass(frozen=True, slots=True)
class Look:
    """A glance at a claim."""

    owner: str | None
    ended: bool
    published: bool
    cancelled: bool


class Begun(StrEnum):
    OK = "ok"
    CANCEL = "cancel"
    """Noted, and the caller has asked to cancel."""
    FENCED = "fenced"
    """A higher epoch owns the job: stop."""
    LOST = "lost"
    """Redis has forgotten the claim: the flusher restores it with the log; note it again after that."""


class Hold(StrEnum):
    """Of money, for one more call."""

    HELD = "held"
    SHORT = "short"
    """A budget has not enough left: nothing has changed."""
    UNKNOWN = "unknown"
    """Nobody knows what is left: the book is being made anew."""


class Holds(Protocol):
    """What jobs hold of the budgets of their tenants."""

    async def extend(self, job: Job, amount: Nanodollars) -> Hold:
        """To so much in all, in each of its windows. May be repeated. Blocks for Redis, and raises Unreachable."""
        ...


class Liveness(Protocol):
    async def lives(self, worker: str) -> bool:
        """Whether that worker's heartbeat is seen. Raises Unreachable when nobody can tell: unknown is not dead."""
        ...


class Claims(Protocol):
    """Who runs which job. Every call may block for the Redis time limit, raises Unreachable, and may be repeated."""

    async def take(self, job: Job, facts: bytes, ttl_ms: int) -> Owned:
        """Afterwards the job is ours, or somebody else's who lives or may be heard of yet, or it has ended."""
        ...

    async def take_over(self, job: Job, facts: bytes, ttl_ms: int, former: RunningElsewhere) -> Owned:
        """As `take`, from a run that is surely over."""
        ...

    async def note(self, job: JobId, epoch: int, field: str, value: bytes) -> Begun:
        """Write a field of the claim, if it is still ours."""
        ...

    async def hand_over(self, job: JobId, epoch: int) -> None:
        """Afterwards anybody may take the job with the next epoch, at once."""
        ...

    async def look(self, jobs: Sequence[JobId]) -> list[Look]: ...

    async def log_of(self, job: JobId) -> list[Entry]:
        """All that the job's log holds, in order."""
        ...


class Place(Protocol):
    """Where a job runs: its record, and its slot. Only `set_aside` waits."""

    def arrive(self) -> None:
        """The job has come to where calls begin: if it waits from here on, it is for a provider."""
        ...

    def resting(self) -> AbstractContextManager[None]:
        """While the job only waits, others may have its slot, if not too many rest already."""
        ...

    def step_aside(self) -> None:
        """Wait without a slot: somebody else runs the job."""
        ...

    def step_back(self) -> None: ...

    async def set_aside(self, message: str, tries: int) -> None:
        """Afterwards the record is among the dead letters. Waits for Kafka; raises when there are too many."""
        ...


class Shadows(Protocol):
    async def wait(self, job: JobId, unheard_seconds: float = 0.0) -> bool:
        """Returns when the job has ended and is published, or its owner is gone. May take as long as the job.

        A job without an owner may turn out to have one for the seconds that are given.

        True when it has ended long ago and its owner, who lives, has not said that it is published: it may be, or not.
        """
        ...


class JobLog(Protocol):
    """The log of one job that runs here. Only `end` waits: the flusher writes what was told, in this order."""

    @property
    def showed_output(self) -> bool:
        """Whether a reader has seen real output, in this epoch."""
        ...

    def show(self, chunk: Chunk) -> None: ...

    def note(self, event: EventType, data: bytes) -> None: ...

    async def end(self, event: EventType, data: bytes, outcome: bytes, ttl_ms: int, used_tokens: int) -> bool:
        """Terminal entry and outcome in one step, behind all that was told before. Waits until Redis has them.

        False when a higher epoch owns the job: nothing was written.
        """
        ...

    def close(self) -> None:
        """The run is over. A log that was not ended is somebody else's from now on."""
        ...


class Journals(Protocol):
    def open(
        self, job: Job, taken: Taken, claim: dict[str, bytes], ttl_ms: int, on_fenced: Callable[[], None]
    ) -> JobLog:
        """`claim` are the fields to restore should Redis lose them; the owner keeps it up to date."""
        ...


class LargeAnswers(Protocol):
    async def leave(self, ended: JobEnded) -> JobEnded:
        """The same end, whose answer the blob store has. Waits for that, however long it takes."""
        ...


class TokenEstimates(Protocol):
    async def usage(self, job: Job, output: str) -> TokenUsage:
        """What an answer used whose provider counted nothing, by the model's tokenizer. May wait for a thread."""
        ...


class Measures(Protocol):
    """Whoever counts. Nothing blocks, nothing raises."""

    def attempt_began(self, begun: AttemptBegun) -> None: ...

    def attempt_ended(self, attempt: AttemptFinished) -> None: ...

    def attempt_inherited(self, attempt: AttemptFinished) -> None: ...  # it ended with the process it ran in

    def job_ended(self, job: JobEnded) -> None: ...

    def restarted(self, model: str, cause: str) -> None: ...

    def fenced(self) -> None: ...

    def record_taken(self, lane: str, outcome: str) -> None:
        """What a record's job turned out to be."""
        ...

    def hedged(self, model: str, outcome: str) -> None:
        """A job was called for twice: the `first` or the `second` was heard, or `nobody`."""
        ...

    def failed_over(self, model: str, cause: str) -> None:
        """A job goes on at another deployment."""
        ...


class FlushMeasures(Protocol):
    """Whoever counts what the flusher writes. Nothing blocks, nothing raises."""

    def flushed(self, entries: int, seconds: float) -> None: ...

    def refilled(self, logs: int) -> None: ...


class Outcomes(Protocol):
    """What the rest of the world learns. Waits until Kafka has it, however long that takes; repeating is harmless."""

    async def publish(self, ended: JobEnded, attempts: Sequence[AttemptFinished], traceparent: str | None) -> None: ...

    async def charge(self, attempts: Sequence[AttemptFinished], traceparent: str | None) -> None:
        """The attempts alone, of a job that somebody else ends."""
        ...


class JobQueue(Protocol):
    async def put(self, job: Job, traceparent: str | None) -> None:
        """Place a job on Kafka where it has to wait, or may go. Waits until Kafka has it, however long that takes."""
        ...
