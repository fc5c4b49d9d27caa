"""In which order were the calls of a job made? In that of their numbers: one that a cable held arrives late."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from chaos.facts import Call

__all__ = ["calls_by_job"]


def calls_by_job(calls: Sequence[Call]) -> Mapping[str, list[Call]]:
    """Calls of one number, if a defect makes two, stand as they arrived."""
    found: dict[str, list[Call]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: (call.number, call.started_at)):
        found[call.job].append(call)
    return found
