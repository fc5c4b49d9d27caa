"""Who could serve a model, and in which order are they asked? Pure: the configuration in, a plan out."""

from dataclasses import dataclass

from shared.config.schema import Config, Timeouts

__all__ = ["Candidate", "Plan", "Skipped", "plan"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment with everything a call to it needs to know, its provider's account aside."""

    name: str
    provider: str
    """The provider's name in the configuration."""
    model: str
    """The id that the provider is asked for."""
    serves: str
    """The model of ours that it answers for: the one asked for, or a fallback."""
    timeouts: Timeouts
    region: str | None = None
    prefill: bool = False
    """Whether it goes on behind a last message of the assistant."""


@dataclass(frozen=True, slots=True)
class Skipped:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...] = ()


def plan(config: Config, model: str, turn: int) -> Plan:
    """The model's deployments as its strategy orders them, then those of its fallbacks.

    `turn` counts the plans made so far; strategies that take turns go by it. An unknown model gives an empty plan.
    """
    raise NotImplementedError
