"""How do the budgets stand, for people? As the view `budget_status` says."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import transaction

__all__ = ["BudgetStanding", "budget_standings"]

_STANDINGS = """
    select tenant, budget, period, hard, limit_dollars, spent_dollars, held_dollars, left_dollars, spent_percent,
           unpriced_attempts, case source when 'config' then 'sluice.yaml' else source end, in_force_at is not null
    from budget_status where $1::text is null or tenant = $1 order by tenant, budget
"""


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """The fields are the view's columns and are explained there."""

    tenant: str
    budget: str
    period: str
    hard: bool
    limit: Decimal
    spent: Decimal
    held: Decimal
    left: Decimal
    percent: Decimal
    unpriced_attempts: int
    set_by: str
    in_force: bool


async def budget_standings(engine: AsyncEngine, tenant: str | None = None) -> Sequence[BudgetStanding]:
    """Raises AwayError."""
    async with transaction(engine) as connection:
        return [BudgetStanding(*row) for row in await connection.fetch(_STANDINGS, tenant)]
