"""What a library says over and over is told now and then, with how often it was said.

A client whose server is away says so several times a second, and would bury what else happens just then.
"""

import logging
import time
from collections.abc import Callable

__all__ = ["Repeats"]

_SECONDS = 10.0


class Repeats(logging.Filter):
    """A filter of records: of those from one line of code, one in ten seconds passes."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._told: dict[tuple[str, int], tuple[float, int]] = {}
        """When each line of code was last heard, and how often it was not since then."""

    def filter(self, record: logging.LogRecord) -> bool:
        place, now = (record.pathname, record.lineno), self._now()
        at, unheard = self._told.get(place, (now - _SECONDS, 0))
        if now - at < _SECONDS:
            self._told[place] = (at, unheard + 1)
            return False
        self._told[place] = (now, 0)
        if unheard:
            record.msg, record.args = f"{record.getMessage()} (and {unheard} more like it)", ()
        return True
