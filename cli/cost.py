"""`sluice cost`: what a month comes to."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.spending.options import AsCsv, AsJson, AsParquet, By, Tenant

__all__ = ["cost"]

cost = typer.Typer(help="What a month comes to.", no_args_is_help=True, rich_markup_mode=None)


@cost.callback()
def _group() -> None:
    """What a month comes to."""


@cost.command()
def report(
    month: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="The running one if left out.", show_default=False)
    ] = None,
    by: By = "tenant,team",
    tenant: Tenant = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    parquet: AsParquet = None,
) -> None:
    """Show what a month (UTC) comes to: what the calls cost, what tenants are billed, and what the providers say.

    COST is by Sluice's price book, of every call. BILLED leaves out what a tenant does not pay of calls that did not
    succeed. PROVIDERS SAY adds up what they say themselves, of those calls of which they do.

    \b
    Examples:
      sluice cost report
      sluice cost report --month 2026-11 --by tenant,model
      sluice cost report --month 2026-11 --by tenant,team,day --parquet november.parquet
    """
    from cli.environment import here
    from cli.printing import print_table
    from cli.spending import statement
    from cli.spending.asking import Question, asked
    from cli.spending.showing import Form, show

    form, (begins, ends) = Form(as_csv, as_json, parquet), _bounds(month)
    question = Question.of(by, begins.isoformat(), ends.isoformat(), tenant)
    lines = asyncio.run(asked(here(), question))
    if lines and form.is_table:
        print_table(statement.headings(question.by), statement.table_rows(question.by, lines), right=statement.FIGURES)
    else:
        show(form, question.by, lines)


def _bounds(month: str | None) -> tuple[datetime, datetime]:
    from shared.clock import utc_now

    try:
        begins = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC) if month else utc_now()
    except ValueError:
        raise typer.BadParameter(f"--month: {month!r} is no month: write 2026-11.") from None
    first = datetime(begins.year, begins.month, 1, tzinfo=UTC)
    years, month_after = divmod(first.month, 12)
    return first, datetime(first.year + years, month_after + 1, 1, tzinfo=UTC)
