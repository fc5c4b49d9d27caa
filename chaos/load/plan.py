"""Who asks for what, when, and how badly do they behave? Pure: the same seed gives the same load."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chaos.facts import Kind
from chaos.models import Model

if TYPE_CHECKING:
    from random import Random

__all__ = ["Errand", "ReaderPlan", "planned"]

_ERRANDS_A_SECOND: Final = 2.0
"""At scale 1; one of them is several jobs when it is a file of lines."""
_MOST_LINES: Final = 6

_KINDS: Final = (
    *[Kind.STREAM] * 8,
    *[Kind.CHAT] * 5,
    *[Kind.PLAIN] * 2,
    *[Kind.LINES] * 2,
    *[Kind.TOPIC] * 4,
)
_MODELS: Final = (*[Model.BRISK] * 6, *[Model.STORY] * 8, *[Model.SHAKY] * 5, Model.EPIC, Model.WRONG)
_DEADLINES: Final = {Model.LATE: 4.0, Model.EPIC: 120.0}
_USUAL_DEADLINE: Final = 75.0
_PLAIN_MODELS: Final = (*_MODELS, Model.LATE)

_CANCELLED_PART: Final = 0.06
_LEAVING_PART: Final = 0.15
"""Of the chat clients."""


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """Drops after so many events, comes back after a pause, at the next replica; then stays."""

    name: str
    first: int
    """Which replica it goes to first; it takes them in turn."""
    drops: tuple[int, ...]
    pauses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Errand:
    at: float
    name: str
    kind: Kind
    model: str
    seconds: float
    """The deadline that is asked for."""
    tenant: int
    door: int
    """Which replica."""
    readers: tuple[ReaderPlan, ...] = ()
    cancels_after: float | None = None
    leaves_after: int | None = None
    """A chat client that hangs up after so many chunks, and wants no more of it."""
    lines: int = 1


def planned(seconds: float, scale: float, tenants: int, rng: "Random") -> tuple[Errand, ...]:
    errands: list[Errand] = []
    at = 0.0
    while (at := at + rng.expovariate(_ERRANDS_A_SECOND * scale)) < seconds:
        errands.append(_errand(f"e{len(errands) + 1}", at, tenants, rng))
    return tuple(errands)


def _errand(name: str, at: float, tenants: int, rng: "Random") -> Errand:
    kind = rng.choice(_KINDS)
    model = rng.choice(_MODELS if kind in (Kind.STREAM, Kind.CHAT) else _PLAIN_MODELS)
    cancels = kind in (Kind.STREAM, Kind.PLAIN) and rng.random() < _CANCELLED_PART
    leaves = kind is Kind.CHAT and rng.random() < _LEAVING_PART
    return Errand(
        at=at,
        name=name,
        kind=kind,
        model=model,
        seconds=_DEADLINES.get(model, _USUAL_DEADLINE),
        # A topic is bound to the first of them.
        tenant=0 if kind is Kind.TOPIC else rng.randrange(tenants),
        door=rng.randrange(1000),
        readers=tuple(_readers(name, kind, rng)),
        cancels_after=rng.uniform(0.0, 4.0) if cancels else None,
        leaves_after=rng.randint(1, 30) if leaves else None,
        lines=rng.randint(2, _MOST_LINES) if kind is Kind.LINES else 1,
    )


def _readers(name: str, kind: Kind, rng: "Random") -> Iterator[ReaderPlan]:
    count: Sequence[int] = {Kind.STREAM: (1, 1, 2, 3), Kind.CHAT: (1,)}.get(kind, (0,))
    for number in range(1, rng.choice(count) + 1):
        drops = tuple(rng.randint(1, 60) for _ in range(rng.choice((0, 1, 1, 2, 4))))
        pauses = tuple(rng.choice((0.0, rng.uniform(0.05, 0.5), rng.uniform(0.5, 3.0))) for _ in drops)
        yield ReaderPlan(f"{name}/{number}", rng.randrange(1000), drops, pauses)
