"""How much may be asked for: of one key, one team, one tenant, or one model."""

from dataclasses import dataclass

__all__ = ["NO_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """None is unlimited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Input and output together."""
    concurrency: int | None = None
    """Interactive jobs at once, from their acceptance to their end."""


NO_LIMITS = Limits()
