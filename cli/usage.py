"""`sluice usage`: what was used and what it cost, from the ledger's hourly roll-up."""

import asyncio
import csv
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.spending.reprice import reprice

if TYPE_CHECKING:
    from cli.environment import Environment
    from services.accounting.ledger.reports import Dimension, UsageLine

__all__ = ["usage"]


usage = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
usage.command()(reprice)


@usage.callback()
def report(
    context: typer.Context,
    by: Annotated[
        str,
        typer.Option(
            metavar="DIMENSIONS",
            help="One or several, with commas: model, model-served, tenant, caller, provider, deployment, lane, "
            "feature, status, hour, day, month.",
        ),
    ] = "model",
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="24h, 7d, 2026-11-01, or all. Counted in whole hours, UTC.")
    ] = "30d",
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="The end, as for --since.", show_default=False)
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this one's.", show_default=False)] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, without a total.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array, without a total.")] = False,
) -> None:
    """Show what was used and what it cost.

    Money is exact. Calls without a known price are not in the cost: it is then a lower bound, marked with >=, and the
    tokens that lack a price are shown. Give them one under `prices` in sluice.yaml.

    \b
    Examples:
      sluice usage
      sluice usage --by tenant,model --since 7d
      sluice usage --by day,feature --since 2026-11-01 --csv > usage.csv
    """
    from cli.environment import here
    from cli.printing import print_json, print_table, remark
    from cli.spending.asking import dimensions, moment_or_always
    from cli.spending.forms import FIGURES, field_names, fields, headings, table_rows

    if context.invoked_subcommand is not None:
        return
    if as_csv and as_json:
        raise typer.BadParameter("--csv and --json do not go together.")
    groups = dimensions(by)
    lines = asyncio.run(_asked(here(), groups, moment_or_always(since), moment_or_always(until), tenant))
    if as_json:
        print_json([fields(groups, line) for line in lines])
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, field_names(groups))
        writer.writeheader()
        writer.writerows(fields(groups, line) for line in lines)
    elif lines:
        print_table(headings(groups), table_rows(groups, lines), right=FIGURES)
    else:
        remark("Nothing was used in that time.")


async def _asked(
    at: "Environment",
    by: "Sequence[Dimension]",
    since: datetime | None,
    until: datetime | None,
    tenant: str | None,
) -> "tuple[UsageLine, ...]":
    from cli.spending.asking import ledger
    from services.accounting.ledger.reports import usage as usage_report

    async with ledger(at) as engine:
        return await usage_report(engine, by, since=since, until=until, tenant=tenant)
