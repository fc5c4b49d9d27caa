"""Does a consumer make progress, and if not, who can help? Looks every few seconds, and builds it anew when it must.

Theory. While Kafka does not answer, nothing is known and nothing helps but waiting: the worker is alive, and not ready.
While it answers, a consumer must be in its group, understand its partitions, and ask for records when it may. One
that fails in this for longer than any rebalance takes is given up and built anew in this process, and the jobs that run
go on. When that has been in vain several times, a restart is what is left: the worker is no longer alive.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from aiokafka.errors import IllegalStateError, KafkaError

from services.router_worker.consumption.ports import IntakeMeasures
from shared.groups import Suspicion

__all__ = ["Patience", "Vigil", "Watched"]

log = structlog.get_logger("consumption")

_ANSWER_SECONDS: Final = 3.0
_SOON_SECONDS: Final = 0.05
_LAST_RESORT: Final = 3
"""After so many consumers in a row that did not work either, it is the process that is broken."""


class Watched(Protocol):
    """A consumer. Only `ask` and `rebuild` wait."""

    @property
    def is_dead(self) -> bool:
        """Whether it surely never makes progress again."""
        ...

    async def ask(self) -> bool:
        """Whether Kafka counts it among its group's members. Raises KafkaError when Kafka does not say."""
        ...

    def ailment(self) -> str | None:
        """What is wrong as far as it can be seen from here. Raises the KafkaError that waits to be noticed, once."""
        ...

    async def rebuild(self) -> None:
        """Afterwards another consumer is in its place and has joined. Raises KafkaError or OSError when it has not."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    every_seconds: float = 2.0
    stuck_seconds: float = 60.0
    """Longer than a rebalance may take."""
    dead_seconds: float = 5.0
    rebuild_seconds: float = 60.0


class Vigil:
    def __init__(self, watched: Watched, measures: IntakeMeasures, group: str, patience: Patience) -> None:
        self._watched = watched
        self._measures = measures
        self._group = group
        self._patience = patience
        self._suspicion = Suspicion(patience.stuck_seconds)
        self._certainty = Suspicion(patience.dead_seconds)
        self._in_vain = 0
        self.unanswered: str | None = "not connected yet"
        """What keeps Kafka from answering; None while it does."""

    @property
    def sign(self) -> str | None:
        """What is wrong with the consumer although Kafka answers; it may pass, or is being dealt with."""
        return self._certainty.sign or self._suspicion.sign

    @property
    def stuck(self) -> str | None:
        """Set when only a restart of the process can help."""
        if self._in_vain < _LAST_RESORT:
            return None
        return f"the consumer of {self._group} was built anew {self._in_vain} times in vain"

    async def run(self) -> None:
        """Until cancelled."""
        every, soon = self._patience.every_seconds, _SOON_SECONDS
        while True:
            await self._look()
            if self._is_well:
                soon = _SOON_SECONDS
                await asyncio.sleep(every)
            else:
                # What is not well is often well in a moment, as at every start, and others wait for a ready worker.
                await asyncio.sleep(min(soon, every))
                soon = min(2 * soon, every)

    @property
    def _is_well(self) -> bool:
        return self.unanswered is None and self.sign is None

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                is_member = await self._watched.ask()
        except (KafkaError, IllegalStateError, OSError, TimeoutError) as error:
            self.unanswered = str(error) or "no answer"
            self._forget()
            return
        self.unanswered = None
        now = time.monotonic()
        sign = self._ailment() or (None if is_member else "not in its group")
        is_certain = self._certainty.look("its coordination has ended" if self._watched.is_dead else None, now)
        if self._suspicion.look(sign, now) or is_certain:
            await self._rebuild()
            self._forget()
        elif self.sign is None:
            self._in_vain = 0

    def _forget(self) -> None:
        self._suspicion = Suspicion(self._patience.stuck_seconds)
        self._certainty = Suspicion(self._patience.dead_seconds)

    def _ailment(self) -> str | None:
        try:
            return self._watched.ailment()
        except KafkaError as error:
            log.warning("consumer_failed", group=self._group, reason=repr(error))
            return repr(error)

    async def _rebuild(self) -> None:
        log.error("consumer_stuck", group=self._group, sign=self.sign, in_vain=self._in_vain)
        self._in_vain += 1
        self._measures.rebuilt()
        try:
            async with asyncio.timeout(self._patience.rebuild_seconds):
                await self._watched.rebuild()
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("consumer_not_rebuilt", group=self._group, reason=repr(error))
        else:
            log.info("consumer_rebuilt", group=self._group)
