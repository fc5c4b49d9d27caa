"""Is accounting ready, is it alive? Both servers are asked now and then, because an idle process would not notice."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Never

from aiokafka.errors import IllegalStateError, KafkaError
from prometheus_client import Gauge

from services.accounting.consumption.intake import Intake
from services.accounting.ports import AwayError
from services.accounting.record import Recording

__all__ = ["Health", "Line"]

_ROUND_SECONDS: Final = 5
_STUCK_SECONDS: Final = 300
"""No batch takes this long while both servers answer."""


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of record, from its topics to its table."""

    name: str
    intake: Intake
    recording: Recording[Any]


class Health:
    def __init__(self, lines: Sequence[Line], ping_postgres: Callable[[], Awaitable[None]], behind: Gauge) -> None:
        """`ping_postgres` raises AwayError, or TimeoutError."""
        self._lines = lines
        self._ping_postgres = ping_postgres
        self._behind = behind
        self._kafka: str | None = None
        self._postgres: str | None = None

    async def watch(self) -> Never:
        while True:
            self._kafka = await self._ask_kafka()
            self._postgres = await self._ask_postgres()
            await asyncio.sleep(_ROUND_SECONDS)

    def ready(self) -> Mapping[str, str | None]:
        waiting = (line.recording.missing for line in self._lines)
        return {
            "kafka": self._kafka,
            "postgres": self._postgres,
            "recording": next((missing for missing in waiting if missing), None),
        }

    def live(self) -> str | None:
        for line in self._lines:
            if line.intake.busy_seconds > _STUCK_SECONDS and line.recording.missing is None:
                return f"a batch of {line.name} has been in hand for {line.intake.busy_seconds:.0f} s"
        return None

    async def _ask_kafka(self) -> str | None:
        try:
            for line in self._lines:
                self._behind.labels(line.name).set(await line.intake.behind())
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            return repr(error)
        return None

    async def _ask_postgres(self) -> str | None:
        try:
            await self._ping_postgres()
        except (AwayError, TimeoutError) as error:
            return str(error) or "no answer"
        return None
