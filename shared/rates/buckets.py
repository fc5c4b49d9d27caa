"""A token bucket that lets those who can wait go into debt. Pure, and exact: whole numbers only.

Theory. A bucket of a limit of n a minute holds n at most and is refilled evenly. It is counted in parts so small that
each millisecond adds a whole number of them, `8 * n`, whatever n is; one request, or one token, is `UNIT` parts.

Who cannot wait takes from what is there, or is refused. Who can wait and finds not enough *owes*: its parts are paid
from what comes in, all debts in their order, and it begins when its own is paid. While anything is owed, seven eighths
of what comes in pay for it and one eighth goes into the bucket: a long line of those who wait leaves room for somebody
who does not. Whatever begins was paid, so in no time t more than `n + n * t` can begin.

What is used beyond what was taken is taken afterwards: the bucket may then hold less than nothing.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["MINUTE_MS", "UNIT", "Bucket", "full", "missing_ms", "refilled", "waited_ms"]

MINUTE_MS: Final = 60_000
_EIGHTHS: Final = 8
UNIT: Final = MINUTE_MS * _EIGHTHS


@dataclass(frozen=True, slots=True)
class Bucket:
    level: int
    owed: int = 0


def full(limit: int) -> Bucket:
    return Bucket(limit * UNIT)


def refilled(bucket: Bucket, limit: int, ms: int) -> Bucket:
    """After that time."""
    paid = min(bucket.owed, ms * limit * (_EIGHTHS - 1))
    return Bucket(min(limit * UNIT, bucket.level + ms * limit * _EIGHTHS - paid), bucket.owed - paid)


def waited_ms(owed: int, limit: int) -> int:
    """How long until so much is paid."""
    return -(-owed // (limit * (_EIGHTHS - 1)))


def missing_ms(bucket: Bucket, limit: int, parts: int) -> int | None:
    """How long until the bucket holds so much; None when it never will."""
    if parts > limit * UNIT:
        return None
    need = parts - bucket.level
    if need <= 0:
        return 0
    # An eighth while debts are paid; all but what paid them, afterwards.
    return min(-(-need // limit), -(-(need + bucket.owed) // (limit * _EIGHTHS)))
