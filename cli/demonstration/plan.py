"""Who does what, and when? The same seed gives the same plan: doors, arrival times, where readers drop. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from random import Random
from typing import Final

from cli.demonstration.prompts import Prompt
from shared.contracts import Door

__all__ = ["Errand", "ReaderPlan", "late_fractions", "planned"]

_GAP_SECONDS: Final = 0.1
_LONGEST_ARRIVAL_SECONDS: Final = 6.0
_READERS: Final = 2
_LINES_TOGETHER: Final = 5
_DOORS: Final = (Door.CHAT, Door.JOBS, Door.TOPIC)


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """A reader's bad connections: it drops after so many events, comes back, drops again, and then stays."""

    drops: tuple[int, ...]
    pauses: tuple[float, ...]
    """Seconds until it comes back, one for each drop."""


@dataclass(frozen=True, slots=True)
class Errand:
    """How a prompt is brought in, or several in one request."""

    prompts: tuple[Prompt, ...]
    door: Door
    at_seconds: float
    streamed: bool = False
    """At the chat door: token by token, or whole."""
    leaves_after: int | None = None
    """At the chat door: the client hangs up after so many chunks and goes on at the job's events."""
    as_lines: bool = False
    """At the jobs door: as JSONL, which nobody follows."""
    readers: tuple[ReaderPlan, ...] = ()

    @property
    def prompt(self) -> Prompt:
        """Of an errand that has only one."""
        (only,) = self.prompts
        return only


def planned(prompts: Sequence[Prompt], seed: int) -> tuple[Errand, ...]:
    rng = Random(f"plan/{seed}")  # noqa: S311 - a plan, not a secret
    doors = list(islice(cycle(_DOORS), len(prompts)))
    rng.shuffle(doors)
    gap = min(_GAP_SECONDS, _LONGEST_ARRIVAL_SECONDS / max(len(prompts), 1))
    by_door: dict[Door, list[tuple[Prompt, float]]] = {door: [] for door in _DOORS}
    for number, (prompt, door) in enumerate(zip(prompts, doors, strict=True)):
        by_door[door].append((prompt, number * gap))
    errands = [
        *(_at_the_chat_door(*arrival, number, rng) for number, arrival in enumerate(by_door[Door.CHAT])),
        *_at_the_jobs_door(by_door[Door.JOBS], rng),
        *(Errand((prompt,), Door.TOPIC, at) for prompt, at in by_door[Door.TOPIC]),
    ]
    return tuple(sorted(errands, key=lambda errand: errand.at_seconds))


def _at_the_chat_door(prompt: Prompt, at: float, number: int, rng: Random) -> Errand:
    """In turn: a client that stays, one that hangs up, one that wants the whole answer."""
    errand = Errand((prompt,), Door.CHAT, at)
    match number % 3:
        case 0:
            return replace(errand, streamed=True)
        case 1:
            return replace(errand, streamed=True, leaves_after=rng.randint(3, 20), readers=(_reader(rng),))
        case _:
            return errand


def _at_the_jobs_door(arrivals: Sequence[tuple[Prompt, float]], rng: Random) -> Iterator[Errand]:
    """Every other one by itself, and followed; the rest in files of a few lines, sent when the last line is there."""
    for prompt, at in arrivals[::2]:
        yield Errand((prompt,), Door.JOBS, at, readers=tuple(_reader(rng) for _ in range(_READERS)))
    lines = arrivals[1::2]
    for start in range(0, len(lines), _LINES_TOGETHER):
        prompts, times = zip(*lines[start : start + _LINES_TOGETHER], strict=True)
        yield Errand(prompts, Door.JOBS, times[-1], as_lines=True)


def late_fractions(job: str, seed: int, count: int = 2) -> tuple[float, ...]:
    """From where in a finished log readers begin who come when all is over; 0 is its beginning, 1 its end."""
    rng = Random(f"late/{seed}/{job}")  # noqa: S311
    return tuple(rng.random() for _ in range(count))


def _reader(rng: Random) -> ReaderPlan:
    drops = tuple(rng.randint(1, 25) for _ in range(rng.randint(1, 3)))
    return ReaderPlan(drops, tuple(rng.uniform(0.0, 0.4) for _ in drops))
