"""Workers that are broken on purpose, as proof that the test sees what it is there to see. None of it is the product's.

Each sabotage is a file with a `commit` that breaks the worker of this process before it starts.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

__all__ = ["SABOTAGES", "worker_module"]

SABOTAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "acknowledge_first": "a record counts as done before its job has begun",
        "end_behind_the_offset": "a record counts as done, and its job's end is told some time later",
        "no_epoch_check": "whoever was taken for dead writes on as if nothing had happened",
    }
)
"""What each breaks."""


def worker_module(sabotage: str | None) -> Sequence[str]:
    """What `python -m` runs as a worker."""
    return ("services.router_worker",) if sabotage is None else ("chaos.sabotage", sabotage)
