"""What does a series of amounts look like? Bars of block characters, the largest as wide as there is room. Pure."""

from collections.abc import Sequence
from typing import Final

__all__ = ["bars"]

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def bars(amounts: Sequence[int], cells: int) -> list[str]:
    """One for each, in integers all the way; what is more than nothing is never drawn as nothing."""
    largest = max(amounts, default=0)
    if largest <= 0 or cells <= 0:
        return ["" for _ in amounts]
    return [_bar(amount * cells * 8, largest) for amount in amounts]


def _bar(eighths: int, of: int) -> str:
    whole, rest = divmod(max(eighths // of, 1) if eighths > 0 else 0, 8)
    return "█" * whole + _EIGHTHS[rest].strip()
