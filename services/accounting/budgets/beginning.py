"""How do budgets begin while everything runs? Those of a configuration that was read again are written; each new one
gets its sum; then `settling.py` brings it into force.

By itself, because a sum may take long and nothing else should wait for it.
"""

import asyncio
from collections.abc import Collection
from typing import Final, Never

import structlog

from services.accounting.budget_ports import RuleLedger
from services.accounting.ports import AwayError, UnstorableError
from shared.budgets import BudgetRule

__all__ = ["Beginning"]

log = structlog.get_logger("accounting")

_ROUND_SECONDS: Final = 0.25
_RETRY_SECONDS: Final = 1.0


class Beginning:
    def __init__(self, ledger: RuleLedger) -> None:
        self._ledger = ledger
        self._wanted: Collection[BudgetRule] | None = None

    def go_by(self, rules: Collection[BudgetRule]) -> None:
        """The configuration has these from now on."""
        self._wanted = rules

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except AwayError as error:
                log.info("budgets_begin_later", reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await asyncio.sleep(_ROUND_SECONDS)

    async def look(self) -> None:
        """Afterwards the budgets of the configuration are there, and each has its sum. Raises AwayError."""
        if (wanted := self._wanted) is not None:
            await self._write(wanted)
            if self._wanted is wanted:
                self._wanted = None
        await self._ledger.begin()

    async def _write(self, rules: Collection[BudgetRule]) -> None:
        try:
            await self._ledger.write(rules)
        except UnstorableError:
            log.exception("budgets_refused", then="those before hold until the configuration changes")
