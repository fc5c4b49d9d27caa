"""How is it told in the end? What happened, what it cost, and whether it was right."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.demonstration.checks import Verdict
from cli.demonstration.figures import Figures, Percentiles
from cli.demonstration.outcome import Outcome
from cli.printing import dollar_column
from shared.contracts import Door
from shared.money import dollars

__all__ = ["print_report"]

Word = TypeVar("Word", bound=str)

_SHOWN_FAULTS: Final = 8
_DOORS: Final = {Door.CHAT: "chat endpoint", Door.JOBS: "jobs endpoint", Door.TOPIC: "Kafka topic"}
_FAULTS: Final = {"status": "refused (429, 500)", "cut_after": "cut in mid-stream"}


def print_report(console: Console, outcome: Outcome) -> None:
    console.print()
    console.print(_story(outcome.figures))
    console.print()
    console.print(_costs(outcome.figures))
    console.print()
    console.print(_checks(outcome.verdicts))
    for verdict in outcome.verdicts:
        for line in _faults(verdict):
            console.print(line, highlight=False, soft_wrap=True)
    console.print()
    console.print(_last_line(outcome), highlight=False)
    if outcome.kept:
        kept = f"Logs, data and what the providers say they served: {outcome.kept}"
        console.print(kept, highlight=False, soft_wrap=True)


def _story(figures: Figures) -> Table:
    usage = figures.usage
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    again = f"{figures.retries} at the same provider, {figures.failovers} at the other"
    resumed = f"{figures.resumed} connections dropped and resumed, {figures.events:,} events"
    rows = [
        ("Jobs accepted", f"{figures.accepted.total()}", _listed(_named(figures.accepted, _DOORS))),
        ("Jobs ended", f"{figures.ended.total()}", _listed(figures.ended)),
        ("Provider calls", f"{figures.calls.total()}", _listed(figures.calls)),
        ("  made to fail", f"{figures.faults.total()}", _listed(_named(figures.faults, _FAULTS))),
        ("  tried again", f"{figures.retries + figures.failovers}", again),
        ("Answers begun again", f"{figures.restarts}", "after a part of them was shown, which their readers are told"),
        ("Killed worker's jobs", f"{figures.in_hand}", f"{figures.taken_over} taken over in mid-flight"),
        ("Streams read", f"{figures.readers}", resumed),
        ("Tokens in", f"{usage.input:,}", f"{usage.cache_read:,} of them from a prompt cache"),
        ("Tokens out", f"{usage.output:,}", f"{usage.reasoning:,} of them reasoning"),
    ]
    if figures.first_token:
        rows.append(
            (
                "First token",
                _span(figures.first_token),
                "p50 / p95, as readers waited for it, failures and the kill included",
            )
        )
    if figures.providers_first_token:
        rows.append(("", _span(figures.providers_first_token), "p50 / p95, as the providers took for it in a call"))
    for row in rows:
        table.add_row(*row)
    return table


def _costs(figures: Figures) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("MODEL", "JOBS", "CALLS", "TOKENS IN", "TOKENS OUT", "COST"):
        table.add_column(heading, justify="left" if heading == "MODEL" else "right")
    costs = dollar_column([dollars(cost) for cost in (*(model.cost for model in figures.models), figures.cost)])
    for model, cost in zip(figures.models, costs, strict=False):
        table.add_row(
            model.model, f"{model.jobs}", f"{model.calls}", f"{model.usage.input:,}", f"{model.usage.output:,}", cost
        )
    usage = figures.usage
    table.add_row(
        "all",
        f"{figures.accepted.total()}",
        f"{figures.calls.total()}",
        f"{usage.input:,}",
        f"{usage.output:,}",
        costs[-1],
        style="bold",
    )
    return table


def _checks(verdicts: Sequence[Verdict]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for verdict in verdicts:
        mark = Text("✓", style="bold green") if verdict.holds else Text("✗", style="bold red")
        claim = Text(verdict.claim, style="" if verdict.holds else "red")
        table.add_row(mark, claim, Text(verdict.finding, style="dim"))
    return table


def _faults(verdict: Verdict) -> Iterator[Text]:
    """Each on a line of its own: they are long, and made to be copied."""
    if verdict.faults:
        yield Text.assemble("\n", (f"✗  {verdict.claim}", "bold red"))
    for fault in verdict.faults[:_SHOWN_FAULTS]:
        yield Text(f"   {fault}")
    if len(verdict.faults) > _SHOWN_FAULTS:
        yield Text(f"   and {len(verdict.faults) - _SHOWN_FAULTS} more")


def _last_line(outcome: Outcome) -> Text:
    phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.phases.items())
    total = f"{outcome.seconds:.1f} s: {phases}. Seed {outcome.seed}."
    if outcome.holds:
        return Text.assemble(("All checks hold. ", "bold green"), total)
    off = sum(not verdict.holds for verdict in outcome.verdicts)
    return Text.assemble((f"{off} of {len(outcome.verdicts)} checks are off. ", "bold red"), total)


def _span(times: Percentiles) -> str:
    return f"{times.p50 * 1000:.0f} / {times.p95 * 1000:.0f} ms"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _named(counts: Mapping[Word, int], names: Mapping[Word, str]) -> dict[str, int]:
    return {names.get(word, word): count for word, count in counts.items()}
