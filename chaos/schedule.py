"""What breaks when, and for how long? Pure: the same seed gives the same schedule.

Four tracks run side by side. On the track of the servers (Kafka, Valkey, PostgreSQL) only one is away at a time, with
room to recover between; on the track of the processes at least one worker and one ingress are left alone. Connections
and clients break whenever they like. Each track plays a shuffled bag of kinds, and shuffles it again when it is empty,
so that a longer run shows each kind about equally often.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from random import Random

__all__ = ["Act", "Cast", "Fault", "Role", "scheduled"]

Kind = TypeVar("Kind")


class Act(StrEnum):
    KILL = "SIGKILL"
    """And started again some time later."""
    FREEZE = "SIGSTOP"
    """And SIGCONT some time later: a process that does not know that it was away."""
    ROLL = "rolling restart"
    """SIGTERM; started again when it has ended."""
    JOIN = "added"
    LEAVE = "removed"
    """SIGTERM, for good."""
    POWER_CUT = "power cut"
    """SIGKILL, and what the disk had a second before: the last second is lost."""
    FAILOVER = "failover"
    """SIGKILL of the primary, and a replica takes over that was behind by so many seconds."""
    FLUSH = "FLUSHALL"
    CUT = "cut"
    """Connections are reset and new ones refused."""
    HOLD = "held"
    """Nothing goes through, in either direction; it all arrives afterwards."""
    DELAY = "delayed"
    HALF_OPEN = "half-open"
    """The server is gone and the client is not told: what it sends is swallowed, for ever."""
    DESERTED = "deserted"
    """The other half: the client is gone and the server is not told."""
    DROP_CLIENTS = "CLIENT KILL"

    @property
    def is_of_a_link(self) -> bool:
        return self in (Act.CUT, Act.HOLD, Act.DELAY, Act.HALF_OPEN, Act.DESERTED)

    @property
    def forgets(self) -> bool:
        """Whether Valkey may know less afterwards than it did."""
        return self in (Act.POWER_CUT, Act.FAILOVER, Act.FLUSH)


class Role(StrEnum):
    """What a process is; the name of its service."""

    WORKER = "router_worker"
    INGRESS = "ingress"
    ACCOUNTING = "accounting"


@dataclass(frozen=True, slots=True)
class Fault:
    at: float
    """Seconds after the load began."""
    act: Act
    target: str
    """A process (`worker-2`), a server (`kafka`), a connection (`worker-2>valkey`), or a kind of clients (`pubsub`)."""
    seconds: float = 0.0
    """How long it lasts, or how long the target stays away."""

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.target} {self.act}{lasting}"


@dataclass(frozen=True, slots=True)
class Cast:
    """Who there is to suffer."""

    processes: Mapping[Role, Sequence[str]]
    spare: str
    """A worker that joins and leaves."""
    links: Sequence[str]


_PROCESS_BAG: Final = (
    *[(Act.KILL, Role.WORKER)] * 3,
    *[(Act.FREEZE, Role.WORKER)] * 3,
    *[(Act.ROLL, Role.WORKER)] * 2,
    (Act.JOIN, Role.WORKER),
    (Act.LEAVE, Role.WORKER),
    *[(Act.KILL, Role.INGRESS)] * 2,
    (Act.FREEZE, Role.INGRESS),
    (Act.ROLL, Role.INGRESS),
    *[(Act.KILL, Role.ACCOUNTING)] * 2,
    (Act.FREEZE, Role.ACCOUNTING),
    (Act.ROLL, Role.ACCOUNTING),
)
_SERVER_BAG: Final = (
    (Act.KILL, "kafka"),
    (Act.KILL, "valkey"),
    (Act.POWER_CUT, "valkey"),
    (Act.FAILOVER, "valkey"),
    (Act.KILL, "postgres"),
)
_FREEZE_BAG: Final = ((0.5, 4.0), (9.0, 14.0))
"""In seconds: shorter than a worker may be silent, and long enough for another to have its partitions and its jobs."""
_LINK_BAG: Final = (Act.CUT, Act.HOLD, Act.DELAY, Act.HALF_OPEN, Act.DESERTED)
_CLIENT_BAG: Final = ("pubsub", "normal")

_FIRST_SECONDS: Final = 3.0
"""Until the load is really there."""
_LAST_SECONDS: Final = 3.0
_FLUSH_PART: Final = 0.6
"""The one FLUSHALL comes when so much of the run is over."""

_BUSY_SECONDS: Final[Mapping[Act, float]] = {Act.KILL: 4.0, Act.FREEZE: 2.0, Act.ROLL: 10.0, Act.LEAVE: 10.0}
"""What a process needs beyond the fault's own time until it may be counted on again."""


def scheduled(seconds: float, cast: Cast, rng: "Random") -> tuple[Fault, ...]:
    """In the order of their times. Nothing begins in the last seconds: the load is to see everything recover."""
    seconds -= _LAST_SECONDS
    faults = [*_processes(seconds, cast, rng), *_servers(seconds, rng), *_links(seconds, cast, rng)]
    faults += [
        Fault(at, Act.DROP_CLIENTS, kind)
        for at, kind in zip(_beats(seconds, 4.0, 7.0, rng), _bag(_CLIENT_BAG, rng), strict=False)
    ]
    return tuple(sorted(faults, key=lambda fault: fault.at))


@dataclass(slots=True)
class _Company:
    """The processes, as far as a schedule can know how they are."""

    cast: Cast
    busy_until: dict[str, float] = field(default_factory=dict)
    spare_is_in: bool = False

    def victim(self, role: Role, at: float, rng: "Random") -> str | None:
        """One that is well; None when too few of its kind would be left."""
        names = self.cast.processes[role]
        well = [name for name in names if self.busy_until.get(name, 0.0) <= at]
        needed = 0 if role is Role.ACCOUNTING else 1
        return rng.choice(well) if len(well) > needed else None


def _processes(seconds: float, cast: Cast, rng: "Random") -> Iterator[Fault]:
    company = _Company(cast)
    bag, freezes = _bag(_PROCESS_BAG, rng), {role: _bag(_FREEZE_BAG, rng) for role in Role}
    for at in _beats(seconds, 3.0, 5.5, rng):
        act, role = next(bag)
        freeze = rng.uniform(*next(freezes[role])) if act is Act.FREEZE else 0.0
        fault = _process_fault(at, act, role, company, rng, freeze)
        if fault is not None:
            company.busy_until[fault.target] = at + fault.seconds + _BUSY_SECONDS.get(act, 0.0)
            yield fault


def _process_fault(at: float, act: Act, role: Role, company: _Company, rng: "Random", freeze: float) -> Fault | None:
    if act in (Act.JOIN, Act.LEAVE):
        if company.busy_until.get(company.cast.spare, 0.0) > at:
            return None
        company.spare_is_in = not company.spare_is_in
        return Fault(at, Act.JOIN if company.spare_is_in else Act.LEAVE, company.cast.spare)
    target = company.victim(role, at, rng)
    if target is None:
        return None
    match act:
        case Act.KILL:
            return Fault(at, act, target, round(rng.choice((0.0, 0.5, rng.uniform(1.0, 6.0))), 1))
        case Act.FREEZE:
            return Fault(at, act, target, round(freeze, 1))
        case _:
            return Fault(at, act, target)


def _servers(seconds: float, rng: "Random") -> Iterator[Fault]:
    bag = _bag(_SERVER_BAG, rng)
    beats = list(_beats(seconds, 9.0, 13.0, rng))
    flush_at = min(beats, key=lambda at: abs(at - seconds * _FLUSH_PART), default=None)
    for at in beats:
        if at == flush_at:
            yield Fault(at, Act.FLUSH, "valkey")
            continue
        act, server = next(bag)
        yield Fault(at, act, server, round(rng.uniform(0.3, 3.0), 1))


def _links(seconds: float, cast: Cast, rng: "Random") -> Iterator[Fault]:
    acts, links = _bag(_LINK_BAG, rng), _bag(cast.links, rng)
    for at in _beats(seconds, 2.5, 5.0, rng):
        yield Fault(at, next(acts), next(links), round(rng.uniform(0.3, 8.0), 1))


def _beats(seconds: float, shortest: float, longest: float, rng: "Random") -> Iterator[float]:
    at = _FIRST_SECONDS + rng.uniform(0.0, shortest)
    while at < seconds:
        yield round(at, 2)
        at += rng.uniform(shortest, longest)


def _bag(kinds: Sequence[Kind], rng: "Random") -> Iterator[Kind]:
    while kinds:
        yield from rng.sample(kinds, len(kinds))
