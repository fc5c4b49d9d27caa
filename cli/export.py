"""`sluice export`: the ledger, day by day, for other programs."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    since: Annotated[str, typer.Option(metavar="WHEN", help="7d, 2026-11-01: from that day on.")] = "7d",
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="To before that day; today if left out.", show_default=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A directory, or s3://bucket/prefix; where the services leave large content if left out.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per day.")] = False,
) -> None:
    """Write the ledger into the object store, as Parquet by day (UTC) in which the calls ended, with a manifest.

    A day whose files say what the ledger says is left alone: run it every night, and what came late or got another
    price is written anew. It is told in the audit log. Needs sluice[parquet].

    \b
    Examples:
      sluice export
      sluice export --since 2026-11-01 --until 2026-12-01 --to s3://warehouse/sluice
    """
    from cli.environment import here
    from cli.printing import print_json_line, print_table
    from cli.spending.asking import ledger, moment
    from cli.spending.exporting import Exported, export_day, tell_of_export
    from shared.blobs import BlobsAwayError, open_blobs
    from shared.errors import OperatorError

    environment = here()
    first = moment(since).astimezone(UTC).date()
    last = (moment(until) if until else datetime.now(UTC)).astimezone(UTC).date()
    place = to or environment.blobs_url
    blobs = open_blobs(place)

    async def run() -> list[Exported]:
        async with ledger(environment) as engine:
            # Before anything has left: what breaks off half-way is told as well.
            await tell_of_export(engine, first, last, place)
            try:
                return [await export_day(engine, blobs, day) for day in _days(first, last)]
            except BlobsAwayError as error:
                raise OperatorError(f"The object store cannot be written: {error}.") from error

    done = asyncio.run(run())
    if as_json:
        for each in done:
            print_json_line({"day": each.day, "rows": each.totals.rows, "files": each.files, "changed": each.changed})
        return
    rows = [
        (each.day.isoformat(), f"{each.totals.rows:,}", str(each.files), "written" if each.changed else "as it was")
        for each in done
    ]
    print_table(("DAY", "ROWS", "FILES", "WHAT"), rows, right={"ROWS", "FILES"})


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range(max((last - first).days, 0))]
