"""`sluice demo`: everything once, with faults, and whether it came out right."""

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cli.demonstration.display import Display
    from cli.demonstration.outcome import Outcome

__all__ = ["demo"]

_CHECKS_OFF = 1
_LOG_WIDTH = 132


def demo(
    jobs: Annotated[
        int | None,
        typer.Option(min=6, max=5000, help="How many prompts.  [default: all of the file]", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides doors, drops, answers and faults.")] = 1,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="OpenAI batch lines.  [default: the project's sample]")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave logs and data for inspection.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as one JSON object.")] = False,
) -> None:
    """Run everything once, with faults, and check what came of it. Takes about half a minute.

    Starts Kafka, Valkey, PostgreSQL, the gateway, two workers, the ledger and two simulated providers, one of which
    fails some calls. Sends prompts through all three doors, drops and resumes the readers, kills one worker with
    SIGKILL half-way, and ends everything. Then compares: jobs accepted with jobs ended, each stream with its log,
    the ledger with what the providers say they served. Exit code 1 when any of it is off.

    \b
    Examples:
      sluice demo
      sluice demo --jobs 200 --seed 7
      sluice demo --json | jq '.checks[] | select(.holds | not)'
    """
    from rich.console import Console

    from cli.demonstration.as_json import as_json as object_of
    from cli.demonstration.display import display_for
    from cli.demonstration.prompts import read_prompts, sample
    from cli.demonstration.report import print_report
    from cli.demonstration.run import perform
    from cli.printing import print_json

    asked = read_prompts(prompts or sample(), jobs)
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    try:
        with display_for(console, os.environ) as display:
            outcome = asyncio.run(
                _until_told(perform(asked, seed, keep=keep, display=display, environ=os.environ), display)
            )
    except asyncio.CancelledError:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if as_json:
        print_json(object_of(outcome))
    else:
        print_report(console, outcome)
    if not outcome.holds:
        raise typer.Exit(_CHECKS_OFF)


async def _until_told(performance: "Coroutine[None, None, Outcome]", display: "Display") -> "Outcome":
    """A signal ends everything in order. Raises CancelledError then."""
    performing = asyncio.ensure_future(performance)

    def told(received: signal.Signals) -> None:
        once_more = " now" if performing.cancelling() else ""
        display.tell(f"{received.name}: ending everything{once_more}")
        performing.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told, number)
    return await performing
