"""How are trials and figures of deployments shown? A table for people, a line of JSON each for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from cli.printing import print_json_line, print_table, remark
from cli.routing.trial import Trial
from services.accounting.ledger.route_stats import RouteLine
from shared.money import Nanodollars, dollars

__all__ = ["show_stats", "show_trials"]

_LONGEST: Final = 100


def show_trials(trials: Sequence[Trial], *, as_json: bool) -> None:
    if as_json:
        for trial in trials:
            print_json_line(asdict(trial))
        return
    headings = ("deployment", "for", "outcome", "first token", "time", "tokens", "cost", "said")
    rows = [
        (
            trial.deployment,
            trial.model,
            trial.outcome,
            _seconds(trial.first_token_seconds),
            _seconds(trial.seconds),
            "" if trial.tokens is None else str(trial.tokens),
            _money(trial.cost),
            _brief(trial.message),
        )
        for trial in trials
    ]
    print_table(headings, rows, right=("first token", "time", "tokens", "cost"))
    for trial in trials:
        if trial.evidence:
            remark(f"{trial.deployment} sent: {_brief(trial.evidence)}")


def show_stats(lines: Sequence[RouteLine], *, as_json: bool) -> None:
    if as_json:
        for line in lines:
            print_json_line(asdict(line))
        return
    headings = (
        "model",
        "deployment",
        "calls",
        "ok",
        "failover",
        "first token",
        "p95",
        "time",
        "p95 ",
        "tokens",
        "cost",
        "errors",
    )
    rows = [
        (
            line.model,
            line.deployment,
            f"{line.calls:,}",
            f"{line.succeeded / line.calls:.1%}",
            f"{line.failovers:,}",
            *_pair(line.first_token_ms),
            *_pair(line.duration_ms),
            f"{line.output_tokens:,}",
            _money(line.cost),
            ", ".join(f"{kind} {count:,}" for kind, count in line.errors.items()),
        )
        for line in lines
    ]
    print_table(headings, rows, right=headings[2:-1])


def _pair(milliseconds: tuple[float, float] | None) -> tuple[str, str]:
    if milliseconds is None:
        return "", ""
    half, most = milliseconds
    return _seconds(half / 1000), _seconds(most / 1000)


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f}s"


def _money(amount: Nanodollars | None) -> str:
    return "" if amount is None else f"${dollars(amount):f}"


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
