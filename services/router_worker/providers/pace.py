"""How long is the next word of an answer waited for? Every wait of a call has a limit, which hangs on how far it is."""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.router_worker.events import AttemptEvent, Chunk, Failed, Finished
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.resilience.deadline import Limit, Patience

__all__ = ["Pace"]

_END_OF_BODY_SECONDS: Final = 0.05
"""How long the end of a body is waited for behind the end of its answer: with it the connection can be used again."""


_CHARACTERS_A_TOKEN: Final = 4
_TOO_SLOW: Final = Failure(FailureKind.TOO_SLOW, "The provider answered more slowly than is put up with.")


class Pace:
    """How long to wait for what comes next."""

    def __init__(self, patience: Patience, *, streamed: bool) -> None:
        self._patience = patience
        self._floor = patience.timeouts.slowest_tokens_per_second
        self._talking = False
        self._loop = asyncio.get_running_loop()
        # A whole answer has no first token that could be waited for.
        self.limit = patience.first_token if streamed else patience.whole
        self.complaint: Failure | None = None
        """Why it is not waited for any longer, though something comes."""
        self._since: float | None = None
        self._heard = 0

    def goes_on(self, events: Sequence[AttemptEvent]) -> bool:
        """Whether to read on behind these events, and how patiently."""
        if not events:
            return True  # bytes alone, such as a provider's keep-alive comments, are no sign of life
        last = events[-1]
        if type(last) is Failed:
            return False
        now = self._loop.time()
        if type(last) is Finished:
            self.limit = Limit(now + _END_OF_BODY_SECONDS, FailureKind.STALL)
            return True
        self._talking = self._talking or any(type(event) is Chunk and event.is_output for event in events)
        if self._talking:
            self.limit = self._patience.next_token(now)
            return self._floor is None or self._keeps(self._floor, now, events)
        return True

    def _keeps(self, floor: float, now: float, events: Sequence[AttemptEvent]) -> bool:
        """Whether as many tokens a second came as have to: looked at each time that a silence might have ended it."""
        if self._since is None:
            self._since = now
            return True
        self._heard += sum(_tokens(event) for event in events if type(event) is Chunk)
        passed = now - self._since
        if passed < self._patience.timeouts.between_tokens_seconds:
            return True
        if self._heard < floor * passed:
            self.complaint = _TOO_SLOW
            return False
        self._since, self._heard = now, 0
        return True


def _tokens(chunk: Chunk) -> int:
    """About: some providers send several at once."""
    return max(1, len(chunk.text) // _CHARACTERS_A_TOKEN)
