"""How is a run told? For people as a table, for programs as JSON."""

from typing import Final

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaos.outcome import Outcome
from chaos.verdicts.verdict import Verdict

__all__ = ["as_json", "print_report"]

_SHOWN_FINDINGS: Final = 10
_SHOWN_HISTORIES: Final = 3
"""The JSON has more."""


def print_report(console: Console, outcome: Outcome) -> None:
    console.print()
    console.print(_numbers(outcome))
    console.print()
    for verdict in outcome.verdicts:
        _print_verdict(console, verdict)
    console.print()
    console.print(_recoveries(outcome))
    for history in outcome.histories[:_SHOWN_HISTORIES]:
        console.print()
        for line in history:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print()
    console.print(_last_line(outcome), highlight=False, soft_wrap=True)


def as_json(outcome: Outcome) -> str:
    numbers = outcome.numbers
    return orjson.dumps(
        {
            "seed": outcome.seed,
            "seconds": outcome.seconds,
            "scale": outcome.scale,
            "sabotage": outcome.sabotage,
            "holds": outcome.holds,
            "command": outcome.command,
            "jobs": outcome.jobs,
            "provider_calls": outcome.calls,
            "faults": outcome.faults,
            "sigkills": numbers.kills,
            "jobs_lost": numbers.jobs_lost,
            "usage_rows_lost": numbers.rows_lost,
            "streams_resumed": numbers.streams_resumed,
            "streams_resumed_correctly": numbers.resumed_correctly,
            "rebalances": numbers.rebalances,
            "duplicate_provider_calls": numbers.duplicates,
            "verdicts": [
                {
                    "claim": verdict.claim,
                    "holds": verdict.holds,
                    "figure": verdict.figure,
                    "findings": [{"job": found.job, "what": found.what} for found in verdict.findings],
                }
                for verdict in outcome.verdicts
            ],
            "recovery_seconds": {
                each.fault: {"count": len(each.seconds), "p50": each.p50, "max": each.longest}
                for each in outcome.recoveries
            },
            "histories": outcome.histories,
        },
        option=orjson.OPT_INDENT_2,
    ).decode()


def _numbers(outcome: Outcome) -> Table:
    numbers = outcome.numbers
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("Jobs lost", f"{numbers.jobs_lost}", f"of {outcome.jobs}, in {numbers.kills} SIGKILLs")
    table.add_row("Usage rows lost", f"{numbers.rows_lost}", f"of {outcome.calls} calls, in {numbers.kills} SIGKILLs")
    table.add_row(
        "Streams resumed correctly",
        f"{100 * numbers.resumed_correctly:.4g} %",
        f"{numbers.streams_resumed} readers that came back, {numbers.streams_wrong} of them wrong",
    )
    table.add_row("Duplicate provider calls", f"{numbers.duplicates}", f"in {numbers.rebalances} rebalances")
    return table


def _print_verdict(console: Console, verdict: Verdict) -> None:
    mark = Text("✓ ", style="bold green") if verdict.holds else Text("✗ ", style="bold red")
    claim = Text(verdict.claim, style="" if verdict.holds else "red")
    console.print(Text.assemble(mark, claim, ("  " + verdict.figure, "dim")), soft_wrap=True)
    for finding in verdict.findings[:_SHOWN_FINDINGS]:
        console.print(Text(f"    {finding}", style="red"), soft_wrap=True)
    if len(verdict.findings) > _SHOWN_FINDINGS:
        console.print(Text(f"    and {len(verdict.findings) - _SHOWN_FINDINGS} more", style="red"))


def _recoveries(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("FAULT")
    for heading in ("TIMES", "MEASURED", "P50", "MAX"):
        table.add_column(heading, justify="right")
    measured = {each.fault: each for each in outcome.recoveries}
    for fault in sorted({*outcome.faults, *measured}):
        each = measured.get(fault)
        times = (f"{len(each.seconds)}", f"{each.p50:.2f} s", f"{each.longest:.2f} s") if each else ("", "", "")
        table.add_row(fault, f"{outcome.faults.get(fault, '')}", *times)
    return table


def _last_line(outcome: Outcome) -> Text:
    told = f"{outcome.jobs} jobs and {sum(outcome.faults.values())} faults in {outcome.seconds:g} s. {outcome.command}"
    if outcome.holds:
        return Text.assemble(("Nothing was lost. ", "bold green"), told)
    off = "; ".join(verdict.claim for verdict in outcome.verdicts if not verdict.holds)
    return Text.assemble((f"Does not hold: {off}. ", "bold red"), told)
