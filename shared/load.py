"""What workers show of how busy they are: each tells once a second, all ingresses read."""

from typing import Final

from pydantic import Field

from shared.contracts import Lane, WireModel

__all__ = ["SHOWN_SECONDS", "HeldBack", "LaneLoad", "WorkerLoad"]

SHOWN_SECONDS: Final = 1.0
"""How often."""


class HeldBack(WireModel):
    """Jobs for a model that is at its limit: they wait while there are slots."""

    waiting: dict[str, int]
    """By tenant, as in `LaneLoad`."""
    unnamed: int
    per_second: float
    """How many are let in lately."""


class LaneLoad(WireModel):
    slots: int
    """How many jobs the worker runs at once; none when it takes no more."""
    free: int
    job_seconds: float
    """How long a job keeps its slot lately."""
    waiting: dict[str, int]
    """Jobs that could begin now, by tenant; of many tenants those with the most."""
    unnamed: int
    """Jobs whose tenant is not told, or not known because they have not been read yet."""
    partitions: tuple[int, ...]
    """Of the lane's topic, those this worker reads."""
    held_back: dict[str, HeldBack] = Field(default_factory=dict)
    """By model; none of them is counted above."""


class WorkerLoad(WireModel):
    beat: int
    """Counts on, so that who reads it sees that the worker lives."""
    lanes: dict[Lane, LaneLoad]
