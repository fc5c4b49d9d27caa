"""What time is it? The only place that asks the system; cores take `now` as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "unix_ms", "unix_seconds", "utc_now"]

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def unix_ms(moment: datetime) -> int:
    """Milliseconds since the epoch, rounded down."""
    return int(moment.timestamp() * 1000)


def unix_seconds(moment: datetime) -> int:
    """As `unix_ms`, in seconds."""
    return int(moment.timestamp())
