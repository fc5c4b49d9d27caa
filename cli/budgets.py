"""`sluice budgets`: how they stand."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from cli.spending.options import Tenant

__all__ = ["budgets"]

_HEADINGS = ("TENANT", "BUDGET", "PERIOD", "LIMIT", "SPENT", "HELD", "LEFT", "USED", "AT THE LIMIT")
_FIGURES = frozenset({"LIMIT", "SPENT", "HELD", "LEFT", "USED"})


def budgets(
    tenant: Tenant = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON array.")] = False,
) -> None:
    """Show how each budget stands in the day or month that runs, by its tenant's calendar.

    HELD is what jobs that have not ended may still cost at most: it comes back, or becomes SPENT. A budget is set in
    sluice.yaml, under its tenant.

    \b
    Examples:
      sluice budgets
      sluice budgets --tenant acme --json | jq '.[] | select(.percent >= 80)'
    """
    from cli.environment import here
    from cli.printing import dollar_column, print_json, print_table, remark
    from cli.spending.asking import ledger
    from services.accounting.ledger.budget_report import BudgetStanding, budget_standings

    async def found() -> list[BudgetStanding]:
        async with ledger(here()) as engine:
            return list(await budget_standings(engine, tenant))

    standings = asyncio.run(found())
    if as_json:
        print_json([asdict(each) for each in standings])
        return
    if not standings:
        remark("There are no budgets.")
        return
    amounts = [dollar_column([each.limit, each.spent, each.held, each.left]) for each in standings]
    rows = [
        (each.tenant, each.budget, each.period, *told, f"{each.percent}%", "refused" if each.hard else "told")
        for each, told in zip(standings, amounts, strict=True)
    ]
    print_table(_HEADINGS, rows, right=_FIGURES)
    if any(each.unpriced_attempts for each in standings):
        remark("Calls without a known price are not in what is spent: `sluice usage --by model` shows them.")
