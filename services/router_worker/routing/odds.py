"""What does a strategy go by? What is known of a deployment while a plan is made, and the plan's own lot."""

from dataclasses import dataclass

from shared.money import Nanodollars

__all__ = ["Lot", "Odds"]


@dataclass(frozen=True, slots=True)
class Odds:
    """Of one deployment, for one job, at one moment."""

    weight: int = 1
    in_flight: int = 0
    """Calls that run there, of all workers."""
    first_token_seconds: float | None = None
    """How long it lately took to begin an answer; None when nobody has asked it for a while."""
    cost: Nanodollars | None = None
    """Of this job's tokens, by the price book; None when it has no price there."""


@dataclass(frozen=True, slots=True)
class Lot:
    """What one plan has drawn: everything in a strategy that is chance or turn comes from here."""

    turn: int = 0
    """Counts the plans of this worker."""
    draw: float = 0.0
    """From [0, 1)."""
