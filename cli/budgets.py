"""`sluice budgets`: how they stand, and those that administrators set."""

from typing import Annotated

import typer

from cli.administration import budgets as administration
from cli.spending.options import Tenant

__all__ = ["budgets"]

_HEADINGS = ("TENANT", "BUDGET", "PERIOD", "LIMIT", "SPENT", "HELD", "LEFT", "USED", "AT THE LIMIT", "SET BY")
_FIGURES = frozenset({"LIMIT", "SPENT", "HELD", "LEFT", "USED"})

budgets = typer.Typer(help="Show and set how much may be spent.", rich_markup_mode=None)
budgets.command("set")(administration.set_budget)
budgets.command("remove")(administration.remove_budget)


@budgets.callback(invoke_without_command=True)
def _group(context: typer.Context) -> None:
    """Show and set how much may be spent. Alone it is `sluice budgets list`."""
    if context.invoked_subcommand is None:
        list_budgets()


@budgets.command("list")
def list_budgets(
    tenant: Tenant = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON array.")] = False,
) -> None:
    """Show how each budget stands in the day or month that runs, by its tenant's calendar.

    HELD is what jobs that have not ended may still cost at most: it comes back, or becomes SPENT. It is read from the
    database, so an address of that is enough.

    \b
    Examples:
      sluice budgets list
      sluice budgets list --tenant acme --json | jq '.[] | select(.percent >= 80)'
    """
    import asyncio
    from dataclasses import asdict

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
        (
            *(each.tenant, each.budget, each.period, *told, f"{each.percent}%"),
            *("refused" if each.hard else "told", each.set_by),
        )
        for each, told in zip(standings, amounts, strict=True)
    ]
    print_table(_HEADINGS, rows, right=_FIGURES)
    if not all(each.in_force for each in standings):
        remark("Not all of them are in force yet: accounting sums up what was spent already.")
    if any(each.unpriced_attempts for each in standings):
        remark("Calls without a known price are not in what is spent: `sluice usage --by model` shows them.")
