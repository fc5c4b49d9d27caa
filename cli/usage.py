"""`sluice usage`: what was used and what it cost, by whatever is asked for."""

import asyncio

import typer

from cli.spending.audit import audit
from cli.spending.options import AsCsv, AsJson, AsParquet, By, Since, Tenant, Until
from cli.spending.reprice import reprice
from cli.spending.top import top

__all__ = ["usage"]

usage = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
usage.command()(top)
usage.command()(reprice)
usage.command()(audit)


@usage.callback()
def report(
    context: typer.Context,
    by: By = "model",
    since: Since = "30d",
    until: Until = None,
    tenant: Tenant = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    parquet: AsParquet = None,
) -> None:
    """Show what was used and what it cost.

    Money is exact. Calls without a known price are not in the cost: it is then a lower bound, marked with >=, and the
    tokens that lack a price are shown. Give them one under `prices` in sluice.yaml, then `sluice usage reprice`.

    \b
    Examples:
      sluice usage
      sluice usage --by tenant,model --since 7d
      sluice usage --by day,tag:project --since 2026-11-01 --csv > usage.csv
    """
    from cli.environment import here
    from cli.spending.asking import Question, asked
    from cli.spending.showing import Form, show

    if context.invoked_subcommand is not None:
        return
    form, question = Form(as_csv, as_json, parquet), Question.of(by, since, until, tenant)
    show(form, question.by, asyncio.run(asked(here(), question)))
