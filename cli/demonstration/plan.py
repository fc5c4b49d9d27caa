"""Who does what, and when? The same seed gives the same plan: doors, arrival times, where readers drop. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Final

from cli.demonstration.prompts import Prompt
from shared.contracts import Door

__all__ = ["Errand", "ReaderPlan", "late_fractions", "planned"]

_GAP_SECONDS: Final = 0.1
_LONGEST_ARRIVAL_SECONDS: Final = 6.0
_READERS: Final = 2
_DOORS: Final = (Door.CHAT, Door.JOBS, Door.TOPIC)


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """A reader's bad connections: it drops after so many events, comes back, drops again, and then stays."""

    drops: tuple[int, ...]
    pauses: tuple[float, ...]
    """Seconds until it comes back, one for each drop."""


@dataclass(frozen=True, slots=True)
class Errand:
    """How one prompt is brought in."""

    prompt: Prompt
    door: Door
    at_seconds: float
    streamed: bool = False
    """At the chat door: token by token, or whole."""
    leaves_after: int | None = None
    """At the chat door: the client hangs up after so many chunks and goes on at the job's events."""
    readers: tuple[ReaderPlan, ...] = ()


def planned(prompts: Sequence[Prompt], seed: int) -> tuple[Errand, ...]:
    rng = Random(f"plan/{seed}")  # noqa: S311 - a plan, not a secret
    doors = list(islice(cycle(_DOORS), len(prompts)))
    rng.shuffle(doors)
    gap = min(_GAP_SECONDS, _LONGEST_ARRIVAL_SECONDS / max(len(prompts), 1))
    chats = 0
    errands = []
    for at, (prompt, door) in enumerate(zip(prompts, doors, strict=True)):
        errand = Errand(prompt, door, at * gap)
        if door is Door.CHAT:
            errand = _at_the_chat_door(errand, chats, rng)
            chats += 1
        elif door is Door.JOBS:
            readers = tuple(_reader(rng) for _ in range(_READERS))
            errand = Errand(prompt, door, at * gap, readers=readers)
        errands.append(errand)
    return tuple(errands)


def _at_the_chat_door(errand: Errand, number: int, rng: Random) -> Errand:
    """In turn: a client that stays, one that hangs up, one that wants the whole answer."""
    match number % 3:
        case 0:
            return Errand(errand.prompt, errand.door, errand.at_seconds, streamed=True)
        case 1:
            leaves, reader = rng.randint(3, 20), _reader(rng)
            return Errand(
                errand.prompt, errand.door, errand.at_seconds, streamed=True, leaves_after=leaves, readers=(reader,)
            )
        case _:
            return errand


def late_fractions(job: str, seed: int, count: int = 2) -> tuple[float, ...]:
    """From where in a finished log readers begin who come when all is over; 0 is its beginning, 1 its end."""
    rng = Random(f"late/{seed}/{job}")  # noqa: S311
    return tuple(rng.random() for _ in range(count))


def _reader(rng: Random) -> ReaderPlan:
    drops = tuple(rng.randint(1, 25) for _ in range(rng.randint(1, 3)))
    return ReaderPlan(drops, tuple(rng.uniform(0.0, 0.4) for _ in drops))
