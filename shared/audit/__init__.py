"""The audit log: what it says, how each entry is bound to the one before, and how one is added."""

from shared.audit.appending import append
from shared.audit.chain import FIRST, ChainCheck, Event, Fault, chained

__all__ = ["FIRST", "ChainCheck", "Event", "Fault", "append", "chained"]
