"""`sluice health`: how the deployments do, as the workers see them by their own calls."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from cli.deployment_health import Seen
    from shared.load import DeploymentHealth

__all__ = ["health"]

_EVERY_SECONDS = 1.0
_CLEAR = "\x1b[H\x1b[2J"


def health(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Every second, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object; with --watch, one a line.")] = False,
) -> None:
    """Show how the deployments do: may they be called, how many calls failed lately, how soon they answer.

    It is what all workers together know from their calls: nobody is called for it. The worst that any of them finds
    counts. Exit code 4 when a deployment is not called just now, 1 when no worker is there to tell.

    \b
    Examples:
      sluice health
      sluice health --watch
      sluice health --json | jq '.deployments | map_values(.state)'
    """
    from cli.deployment_health import is_callable, look
    from cli.environment import here
    from cli.printing import print_json, print_json_line
    from shared.clock import utc_now

    environment = here()
    while True:
        seen, now = look(environment.redis, environment.namespace), utc_now()
        if as_json:
            (print_json_line if watch else print_json)(_as_json(seen))
        else:
            _show(seen, now, clear=watch)
        if not watch:
            break
        time.sleep(_EVERY_SECONDS)
    if not seen.workers:
        raise typer.Exit(ExitCode.SETUP)
    if not all(is_callable(each, now) for each in seen.deployments.values()):
        raise typer.Exit(ExitCode.SOME_FAILED)


def _as_json(seen: "Seen") -> dict[str, object]:
    deployments = {name: each.model_dump(mode="json") for name, each in seen.deployments.items()}
    return {"workers": seen.workers, "deployments": deployments}


def _show(seen: "Seen", now: "datetime", *, clear: bool) -> None:
    from cli.printing import print_table, remark, say

    if clear:
        typer.echo(_CLEAR, nl=False)
    if not seen.workers:
        remark("No worker shows anything.")
        return
    rows = [(name, *_cells(each, now)) for name, each in seen.deployments.items()]
    headings = ("DEPLOYMENT", "STATE", "FAILED", "CALLS", "RUNNING", "WAITING", "KEYS", "FIRST TOKEN", "")
    print_table(headings, rows, right=("FAILED", "CALLS", "RUNNING", "WAITING", "KEYS", "FIRST TOKEN"))
    say(f"\n{seen.workers} worker{'s' if seen.workers != 1 else ''}")


def _cells(health: "DeploymentHealth", now: "datetime") -> tuple[str, ...]:
    left = (health.until - now).total_seconds() if health.until else 0.0
    why = f"not called for {left:.0f} s: {health.because}" if left > 0 else (health.because or "")
    soon = "-" if health.first_token_seconds is None else f"{health.first_token_seconds:.2f} s"
    counts = (health.failures, health.calls, health.running, health.waiting, health.keys)
    return (health.state.replace("_", " "), *(str(each) for each in counts), soon, why)
