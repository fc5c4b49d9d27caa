"""`sluice usage`: what was used and what it cost, from the ledger's hourly roll-up."""

import asyncio
import csv
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.environment import Known
    from services.accounting.ledger.reports import Dimension, UsageLine

__all__ = ["usage"]


def usage(
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
    from cli.usage_forms import FIGURES, field_names, fields, headings, table_rows

    if as_csv and as_json:
        raise typer.BadParameter("--csv and --json do not go together.")
    dimensions = _dimensions(by)
    lines = asyncio.run(_asked(here().postgres, dimensions, _when(since), _when(until), tenant))
    if as_json:
        print_json([fields(dimensions, line) for line in lines])
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, field_names(dimensions))
        writer.writeheader()
        writer.writerows(fields(dimensions, line) for line in lines)
    elif lines:
        print_table(headings(dimensions), table_rows(dimensions, lines), right=FIGURES)
    else:
        remark("Nothing was used in that time.")


def _dimensions(text: str) -> "tuple[Dimension, ...]":
    from services.accounting.ledger.reports import Dimension

    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        return tuple(dict.fromkeys(Dimension(name) for name in names))
    except ValueError as error:
        raise typer.BadParameter(f"--by: {error}; known are {', '.join(Dimension)}.") from None


def _when(text: str | None) -> datetime | None:
    from cli.instants import parse_since
    from shared.clock import utc_now

    if text is None or text == "all":
        return None
    try:
        return parse_since(text, utc_now())
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


async def _asked(
    at: "Known",
    by: "Sequence[Dimension]",
    since: datetime | None,
    until: datetime | None,
    tenant: str | None,
) -> "tuple[UsageLine, ...]":
    from services.accounting.ledger.engine import engine_for
    from services.accounting.ledger.reports import usage as usage_report
    from services.accounting.ports import AwayError
    from shared.errors import OperatorError

    engine = engine_for(at.value)
    try:
        return await usage_report(engine, by, since=since, until=until, tenant=tenant)
    except AwayError as error:
        raise OperatorError(
            f"The ledger in PostgreSQL cannot be read (address by {at.source}): {error}. "
            "Start the stack with `sluice up`, or set POSTGRES_URL."
        ) from error
    finally:
        await engine.dispose()
