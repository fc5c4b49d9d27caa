"""Does a server answer? Known from what its adapter tries anyway, and told in one plain line now and then."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from services.ingress.ports import Dependency

__all__ = ["Reachability", "plain"]

log = structlog.get_logger()

_TOLD_EVERY_SECONDS: Final = 10.0


class Reachability:
    """One server's. The first failure is told at once, a lasting one every few seconds, and so is its end."""

    def __init__(self, server: Dependency, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._since = clock()
        self._told = float("-inf")
        self.problem: str | None = "not connected yet"
        """None while it answers."""

    def is_up(self) -> bool:
        return self.problem is None

    @property
    def away_seconds(self) -> float:
        """How long it has not answered; 0 while it does."""
        return 0.0 if self.problem is None else self._clock() - self._since

    def answers(self) -> None:
        if self.problem is not None:
            log.info("server_reachable", server=self._server, waited_seconds=round(self.away_seconds, 1))
        self.problem = None

    def away(self, why: str) -> None:
        now = self._clock()
        if self.problem is None:
            self._since, self._told = now, float("-inf")
        self.problem = why
        if now - self._told >= _TOLD_EVERY_SECONDS:
            self._told = now
            log.warning(
                "waiting_for_server", server=self._server, waited_seconds=round(now - self._since, 1), reason=why
            )


def plain(error: BaseException) -> str:
    """One line of what a library says, with the kind of the error: some say nothing else."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
