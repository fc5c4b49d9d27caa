"""Is accounting ready, is it alive? The servers are asked now and then, because an idle process would not notice.

Not ready: what is missing, by name. Not alive: only when a restart would help.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Never

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalStateError, KafkaError

from services.accounting.consumption.intake import Intake
from services.accounting.ports import AwayError
from services.accounting.record import Recording
from shared.groups import Suspicion, is_member
from shared.lifecycle import Startup
from shared.telemetry.instruments import Instruments
from shared.telemetry.metrics import DEPENDENCY_UP, LEDGER_BEHIND, LEDGER_LAG

__all__ = ["Health", "Line"]

_ROUND_SECONDS: Final = 5
_ANSWER_SECONDS: Final = 5
_STUCK_SECONDS: Final = 300
"""No batch takes this long while both servers answer."""
_REJOIN_SECONDS: Final = 60
"""No rebalance takes this long."""


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of record, from its topics to its table."""

    name: str
    intake: Intake[Any]
    recording: Recording[Any]
    absence: Suspicion = field(default_factory=lambda: Suspicion(_REJOIN_SECONDS))
    """Of its consumer, from its group, while Kafka answers."""


class Health:
    """Answers from the first moment: what is not there yet is missing."""

    def __init__(self, startup: Startup, instruments: Instruments, *, round_seconds: float = _ROUND_SECONDS) -> None:
        self._startup = startup
        self._round_seconds = round_seconds
        self._behind = instruments.gauge(LEDGER_BEHIND)
        self._lag = instruments.gauge(LEDGER_LAG)
        self._lines: Sequence[Line] = ()
        self._lost: str | None = None
        self._missing: dict[str, str | None] = {"kafka": None, "postgres": None}
        up = instruments.gauge(DEPENDENCY_UP)
        for server in self._missing:
            up.labels(server).set_function(partial(self._is_up, server))

    async def watch(
        self, lines: Sequence[Line], admin: AIOKafkaAdminClient, ping_postgres: Callable[[], Awaitable[None]]
    ) -> Never:
        """`ping_postgres` raises AwayError, or TimeoutError."""
        self._lines = lines
        self._startup.over()
        while True:
            self._missing["kafka"] = await self._ask_kafka(admin)
            self._missing["postgres"] = await _ask_postgres(ping_postgres)
            self._tell_what_waits()
            await asyncio.sleep(self._round_seconds)

    def ready(self) -> Mapping[str, str | None]:
        missing = self._startup.missing()
        if not self._lines:
            return missing
        waiting = (line.recording.missing for line in self._lines)
        absent = {f"{line.name} consumer": line.absence.sign for line in self._lines}
        return missing | self._missing | absent | {"recording": next((each for each in waiting if each), None)}

    def live(self) -> str | None:
        for line in self._lines:
            if line.intake.busy_seconds > _STUCK_SECONDS and line.recording.missing is None:
                return f"a batch of {line.name} has been in hand for {line.intake.busy_seconds:.0f} s"
        return self._lost

    def _tell_what_waits(self) -> None:
        """Whoever writes tells how old it was; while nobody can, it grows older."""
        for line in self._lines:
            if line.recording.missing is not None:
                self._lag.labels(line.name).set(line.intake.busy_seconds)

    def _is_up(self, server: str) -> bool:
        return self._startup.is_over and self._missing[server] is None

    async def _ask_kafka(self, admin: AIOKafkaAdminClient) -> str | None:
        lost = None
        try:
            for line in self._lines:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    is_here = await is_member(admin, line.intake.group, line.intake.member_id)
                if line.absence.look(None if is_here else "not in its group", time.monotonic()):
                    lost = f"the consumer of {line.name} does not come back into its group"
                self._behind.labels(line.name).set(await line.intake.behind())
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            for line in self._lines:
                line.absence.look(None, time.monotonic())
            self._lost = None
            return str(error) or "no answer"
        self._lost = lost
        return None


async def _ask_postgres(ping: Callable[[], Awaitable[None]]) -> str | None:
    try:
        await ping()
    except (AwayError, TimeoutError) as error:
        return str(error) or "no answer"
    return None
