"""What workers show of how busy they are: each tells once a second, all ingresses read."""

from typing import Final, Literal

from pydantic import AwareDatetime, Field

from shared.contracts import Lane, WireModel

__all__ = ["SHOWN_SECONDS", "DeploymentHealth", "HeldBack", "LaneLoad", "WorkerLoad"]

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


class DeploymentHealth(WireModel):
    """A deployment as one worker sees it, by its own calls."""

    state: Literal["closed", "half_open", "open"] = "closed"
    """Of the breaker: every call may begin, or a few that try it, or none."""
    until: AwareDatetime | None = None
    """Not to be called before: while it is left alone, or because its provider wants quiet."""
    because: str | None = None
    calls: int = 0
    """In the breaker's window."""
    failures: int = 0
    """Of these, by the deployment's own fault."""
    running: int = 0
    waiting: int = 0
    """Jobs in line for it."""
    keys: int = 1
    """How many of its keys the provider takes."""
    first_token_seconds: float | None = None
    """How long it lately took to begin an answer."""


class WorkerLoad(WireModel):
    beat: int
    """Counts on, so that who reads it sees that the worker lives."""
    lanes: dict[Lane, LaneLoad]
    deployments: dict[str, DeploymentHealth] = Field(default_factory=dict)
    """By provider and the model it is asked for: `openai/gpt-4o`."""
