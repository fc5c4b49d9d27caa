"""What was seen of one run by each who saw it: submitters, readers, Kafka, PostgreSQL, the provider, the hands.

Nothing here is derived from anything else here: the verdicts compare, and that is their whole worth. Times are Unix
seconds; all of it runs on one machine with one clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from chaos.books import Audited, JobRow, LedgerRow
from chaos.schedule import Fault, Role
from shared.contracts import JobStatus

__all__ = [
    "Accepted",
    "Call",
    "Commit",
    "Deferred",
    "Ending",
    "Event",
    "Facts",
    "Fate",
    "Kind",
    "Life",
    "Place",
    "Strike",
    "Submission",
    "Transcript",
    "Visit",
]


class Kind(StrEnum):
    """How work comes in."""

    STREAM = "stream"
    """`POST /v1/jobs`, followed by readers."""
    PLAIN = "plain"
    """The same, not streamed, and followed by nobody."""
    LINES = "lines"
    """JSONL."""
    TOPIC = "topic"
    """A record on the submit topic."""
    CHAT = "chat"
    """An OpenAI client that streams, and goes on at the job's events when its connection breaks."""


class Fate(StrEnum):
    """What the submitter learnt."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """The connection broke, or nobody confirmed it: it may have become a job or not."""


@dataclass(frozen=True, slots=True)
class Submission:
    name: str
    """Unique in the run; it travels in the request's `metadata`."""
    kind: Kind
    model: str
    sent_at: float
    fate: Fate
    job: str | None = None
    """What the door said; None at the topic, where a producer learns nothing but that its record is there."""
    told: str = ""
    """Why it is not accepted."""
    cancelled_at: float | None = None
    """When its submitter first tried to cancel it."""
    tenant: int = 0
    seconds: float = 60.0
    """Its deadline as it was asked for."""


class Place(NamedTuple):
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record of a jobs topic."""

    place: Place
    job: str
    name: str | None
    """The submission's."""
    model: str
    streamed: bool
    accepted_at: float
    deadline: float
    appended_at: float
    """By the broker's clock."""


class Deferred(NamedTuple):
    """A record of a deferred tier, for a job that must not begin before its time."""

    job: str
    appended_at: float


class Letter(NamedTuple):
    """A record of the dead letters: where it came from, and why nobody could work with it."""

    place: Place
    why: str


@dataclass(frozen=True, slots=True)
class Ending:
    """A record of the results topic."""

    place: Place
    job: str
    status: JobStatus
    epoch: int
    text: str
    """Of the first choice; empty without an answer."""
    content: bytes
    """The whole message, to tell repeated ones from different ones."""
    error: str | None
    appended_at: float
    """By the broker's clock, which here is everybody's."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What the broker said when it was asked how far a group has come in a partition."""

    asked_at: float
    answered_at: float
    topic: str
    partition: int
    offset: int
    """Everything below it is done."""
    above: frozenset[int] = frozenset()
    """And these, by the commit's metadata."""

    def covers(self, place: Place) -> bool:
        return (
            place.topic == self.topic
            and place.partition == self.partition
            and (place.offset < self.offset or place.offset in self.above)
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the provider remembers it."""

    attempt_id: str | None
    life: str | None
    """Which boot of which worker it came from: each has a key of its own."""
    started_at: float
    ended_at: float
    finished: str
    fault: str | None
    """What the provider was scripted to do wrong in it."""
    status: int | None
    input_tokens: int
    output_tokens: int
    """What the client could know: the reported ones, else those that were written."""
    reported: bool
    """Whether it told what it had used."""

    @property
    def job(self) -> str:
        return (self.attempt_id or "").rpartition(".")[0]

    @property
    def number(self) -> int:
        """Of the attempt within its job; they are given in rising order, also after Valkey has forgotten some."""
        return int((self.attempt_id or ".0").rpartition(".")[2])

    @property
    def went_wrong(self) -> bool:
        """By the provider's own doing."""
        return self.fault is not None or (self.status is not None and self.status >= 400)


class Event(NamedTuple):
    """A server-sent event of a job's log."""

    id: str
    type: str
    data: bytes
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One connection of a reader."""

    ingress: str
    began_at: float
    ended_at: float
    status: int | None
    """None: there was no answer."""
    events: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """What one reader got together over all its connections."""

    reader: str
    job: str
    events: tuple[Event, ...]
    visits: tuple[Visit, ...]
    ended: bool
    """It was told that nothing more would come."""
    shown: tuple[bytes, ...] = ()
    """The chunks an OpenAI client was shown before it came here. One that was shown all of them did not come."""

    @property
    def resumed(self) -> int:
        """How often it came back and was let in."""
        return max(0, sum(visit.status == 200 for visit in self.visits) - (not self.shown))


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault as it was really carried out."""

    fault: Fault
    began_at: float
    ended_at: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Life:
    """One boot of one process."""

    name: str
    """`worker-2#3`."""
    slot: str
    role: Role
    began_at: float
    ready_at: float | None = None
    asked_to_end_at: float | None = None
    """When it got SIGTERM."""
    ended_at: float | None = None
    killed: bool = False
    exit_code: int | None = None

    @property
    def ended_by_itself(self) -> bool:
        return self.ended_at is not None and not self.killed and self.asked_to_end_at is None


@dataclass(frozen=True, slots=True)
class Facts:
    submissions: tuple[Submission, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    deferred: tuple[Deferred, ...] = ()
    endings: tuple[Ending, ...] = ()
    looks: int = 0
    """How often the broker was asked how far the workers have come."""
    commits: tuple[Commit, ...] = ()
    """Each change of what the broker says; of two equal looks the first."""
    calls: tuple[Call, ...] = ()
    unfinished_calls: int = 0
    ledger: tuple[LedgerRow, ...] = ()
    jobs: tuple[JobRow, ...] = ()
    transcripts: tuple[Transcript, ...] = ()
    logs: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)
    """What Redis held of each job when all was over."""
    strikes: tuple[Strike, ...] = ()
    lives: tuple[Life, ...] = ()
    dead_letters: tuple[Letter, ...] = ()
    hanging: tuple[str, ...] = ()
    """Lanes' partitions that were not committed to their end, in words."""
    audit: Audited = Audited()
