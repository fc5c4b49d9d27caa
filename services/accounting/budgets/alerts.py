"""How is an alert told? On its topic, in the log, and to the webhook, if there is one; then it is marked as told.

The row of an alert is written with the rows of the ledger that caused it, so none is lost and none is raised twice.
What breaks off between telling and marking is told again, under the same id.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Never, Protocol

import structlog
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from services.accounting.ports import AlertShelf, AwayError
from shared.contracts import HOUSE, Alert, BudgetAlert
from shared.money import Nanodollars, dollars

__all__ = ["Alerts", "Ear", "KafkaEar", "LogEar"]

log = structlog.get_logger("accounting")

_ROUND_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 5.0


class Ear(Protocol):
    """Somebody who is told."""

    async def hear(self, alert: Alert) -> None:
        """Blocks until it is sure. Raises AwayError; an alert may come twice, with the same id."""
        ...


class Alerts:
    def __init__(self, shelf: AlertShelf, ears: Sequence[Ear], round_seconds: float = _ROUND_SECONDS) -> None:
        self.ears = ears
        self._shelf = shelf
        self._round_seconds = round_seconds

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            try:
                await self.tell()
            except AwayError as error:
                log.warning("alerts_wait", reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await asyncio.sleep(self._round_seconds)

    async def tell(self) -> None:
        """All that nobody was told of yet. Raises AwayError; what was not marked then is told again."""
        async with self._shelf.untold() as alerts:
            for alert in alerts:
                for ear in self.ears:
                    await ear.hear(alert)


class LogEar:
    async def hear(self, alert: Alert) -> None:
        if not isinstance(alert, BudgetAlert):
            log.warning("audit_alert", differences=alert.differences, between=list(alert.between))
            return
        log.warning(
            "budget_alert",
            tenant=alert.tenant,
            budget=alert.budget,
            period=alert.period,
            percent=alert.percent,
            spent_dollars=str(dollars(Nanodollars(alert.spent_nanodollars))),
            limit_dollars=str(dollars(Nanodollars(alert.limit_nanodollars))),
        )


class KafkaEar:
    def __init__(self, broker: KafkaBroker, topic: str) -> None:
        self._broker = broker
        self._topic = topic

    async def hear(self, alert: Alert) -> None:
        key = alert.tenant if isinstance(alert, BudgetAlert) else HOUSE
        try:
            await self._broker.publish(alert.to_bytes(), self._topic, key=key.encode())
        except (KafkaError, TimeoutError) as error:
            raise AwayError(repr(error)) from error
