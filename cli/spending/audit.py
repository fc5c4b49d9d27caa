"""`sluice usage audit`: do the books say the same as each other, and as those who were there?"""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

import typer

from cli.exit_codes import ExitCode

__all__ = ["audit"]


def audit(
    since: Annotated[str, typer.Option(metavar="WHEN", help="24h, 7d, 2026-11-01: from that hour on.")] = "25h",
    until: Annotated[str, typer.Option(metavar="WHEN", help="To before that hour.")] = "now",
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Compare the ledger with its sums, budgets and their books in Redis among them, with the usage events and with the
    results, and name every difference.

    Compared are the calls and jobs that ended in whole hours (UTC). An event that accounting has not been past yet is
    no difference; how many there are is told. Exit code 4 when there are differences. None are expected: every night
    accounting asks the same.

    \b
    Examples:
      sluice usage audit
      sluice usage audit --since 2026-11-01 --until 2026-11-02 --json | jq .differences
    """
    from cli.environment import here
    from cli.printing import print_json, print_table, remark, say
    from cli.spending.asking import moment
    from cli.spending.auditing import audited
    from services.accounting.auditing.comparing import Span

    span = Span(_hour(moment(since)), _hour(moment(until) + _ALMOST_AN_HOUR))
    found = asyncio.run(audited(here(), span))
    told = [(each.between, each.what, each.first, each.second) for each in found.differences]
    if as_json:
        print_json(
            {
                "since": span.since.isoformat(),
                "until": span.until.isoformat(),
                "usage_events": found.events,
                "results": found.results,
                "not_recorded_yet": found.waiting,
                "rows_without_event_looked_for": found.reaches_back,
                "differences": [dict(zip(("between", "what", "first", "second"), each, strict=True)) for each in told],
            }
        )
    else:
        if told:
            print_table(("BETWEEN", "WHAT", "FIRST", "SECOND"), told)
        if found.waiting:
            remark(f"{found.waiting:,} usage events are not recorded yet.")
        if not found.reaches_back:
            remark("The usage topic does not reach back so far: rows without an event were not looked for.")
        say(f"{len(told):,} differences in {found.events:,} calls and {found.results:,} jobs.")
    if told:
        raise typer.Exit(ExitCode.SOME_FAILED)


_ALMOST_AN_HOUR = timedelta(minutes=59, seconds=59)


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
