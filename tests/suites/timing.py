"""How quick is something at its best? On a busy machine one try may be late; what is slow is late each time."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_TRIES = 5


async def at_best(once: Callable[[], Awaitable[T]], is_good: Callable[[T], bool]) -> T:
    """What the first good try gave, or the last one."""
    for _ in range(_TRIES):
        found = await once()
        if is_good(found):
            break
    return found


async def soon(once: Callable[[], Awaitable[float]], within_seconds: float) -> bool:
    """Whether it takes no longer than this, by the seconds that a try gives."""
    return await at_best(once, lambda seconds: seconds < within_seconds) < within_seconds
