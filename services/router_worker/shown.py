"""What have readers been shown by workers that are gone? The job's log, read back by who takes it over. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from services.router_worker.assembly import Assembler
from services.router_worker.events import Chunk
from shared.job_log import Entry, EventType

__all__ = ["Shown", "read_back"]


@dataclass(slots=True)
class Shown:
    assembler: Assembler = field(default_factory=Assembler)
    """The answer as readers hold it: a restart has voided what came before."""
    has_output: bool = False
    """Whether it is more than a role."""
    outputs: Counter[int] = field(default_factory=Counter)
    """Chunks with output by attempt, the voided ones too: they were served."""


def read_back(log: Iterable[Entry]) -> Shown:
    """One epoch may hold several attempts, and one attempt goes on behind another or begins again."""
    shown, attempt = Shown(), 0
    for entry in log:
        match entry.type:
            case EventType.PROGRESS:
                attempt = orjson.loads(entry.data).get("attempt", attempt)
            case EventType.RESTART:
                shown.assembler, shown.has_output = Assembler(), False
            case EventType.DELTA:
                chunk = _chunk(entry.data)
                shown.assembler.add(chunk)
                shown.has_output |= chunk.is_output
                shown.outputs[attempt] += chunk.is_output
            case _:
                pass
    return shown


def _chunk(delta: bytes) -> Chunk:
    """A role alone is not output: no token was served for it."""
    said = [choice["delta"] for choice in orjson.loads(delta)["choices"]]
    is_output = any(value for words in said for name, value in words.items() if name != "role")
    return Chunk(delta, "", is_output=is_output, plain=False, choice=0)
