"""`sluice usage reprice`: give rows of the ledger the price that is right today."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from cli.environment import Environment
    from cli.spending.price_sums import PriceSum
    from services.accounting.ledger.repricing import Change, Scope
    from shared.prices import PriceBook

    Changing = Callable[[AsyncEngine, PriceBook, Scope], AsyncIterator[Sequence[Change]]]

__all__ = ["reprice"]


def reprice(
    since: Annotated[
        str,
        typer.Option(metavar="WHEN", help="Calls that ended from then on: 24h, 7d, 2026-11-01.", show_default=False),
    ],
    until: Annotated[str, typer.Option(metavar="WHEN", help="To before then.")] = "now",
    every: Annotated[bool, typer.Option("--all", help="Also rows that have a price.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array.")] = False,
) -> None:
    """Give rows of the ledger the price of today's price book for the moment of their call.

    Without --all only rows that have none. Whatever changes is kept in price_changes, with both prices; the sums by
    hour and day change with it. A row whose cost comes out the same stays as it is, so to do it again changes nothing.
    The prices are those of the configuration that `sluice config show` shows, and of the price book that is installed
    here.

    \b
    Examples:
      sluice usage reprice --since 30d --dry-run
      sluice usage reprice --since 2026-11-01
      sluice usage reprice --since 2026-11-01 --until 2026-11-08 --all
    """
    from cli.environment import here
    from cli.printing import print_json, print_table, remark
    from cli.spending.asking import moment
    from cli.spending.price_sums import FIGURES, HEADINGS, fields, table_rows
    from services.accounting.ledger import repricing

    rows = repricing.Rows.ALL if every else repricing.Rows.UNPRICED
    scope = repricing.Scope(rows, moment(since), moment(until))
    sums = asyncio.run(_changed(here(), repricing.foreseen if dry_run else repricing.reprice, scope))
    if as_json:
        print_json([fields(each) for each in sums])
    elif sums:
        print_table(HEADINGS, table_rows(sums), right=FIGURES)
        remark("Nothing was changed." if dry_run else "Both prices of each row are in price_changes.")
    else:
        remark("No row has another price.")


async def _changed(environment: "Environment", changing: "Changing", scope: "Scope") -> "Sequence[PriceSum]":
    from cli.spending.asking import ledger
    from cli.spending.price_sums import summed
    from shared.config import load_config
    from shared.prices.genai import price_book

    book = price_book(load_config(environment.config, environment.variables))
    async with ledger(environment) as engine:
        return await summed(changing(engine, book, scope))
