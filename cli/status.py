"""`sluice status`: what runs here, where it answers, and whether it is ready."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from cli.stack.state import StackState

__all__ = ["status"]


def status(
    examples: Annotated[bool, typer.Option("--examples", help="Only the lines to paste that `up` printed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Show what runs here: processes, addresses, readiness, versions.

    Exit code 0 when everything is ready, 1 when something is not or nothing runs.

    \b
    Examples:
      sluice status
      sluice status --examples
      export SLUICE_API_KEY=$(sluice status --json | jq -r .api_key)
    """
    from cli.environment import here
    from cli.printing import print_json, say
    from cli.stack.state import Phase, described, owner

    environment = here()
    stack = environment.stack
    if stack is None and owner(environment.folder):
        print_json({"phase": Phase.STARTING}) if as_json else say("Sluice is starting its servers.")
        raise typer.Exit(ExitCode.SETUP)
    if stack is None:
        if as_json:
            print_json({"phase": Phase.STOPPED})
        else:
            say("Nothing runs here. `sluice up` starts everything.")
        raise typer.Exit(ExitCode.SETUP)
    if examples:
        say(stack.greeting)
    elif as_json:
        print_json(described(stack))
    else:
        _show(stack)
    if stack.phase is not Phase.READY or any(service.phase is not Phase.READY for service in stack.services):
        raise typer.Exit(ExitCode.SETUP)


def _show(stack: "StackState") -> None:
    from cli.instants import ago, brief_duration
    from cli.printing import print_table, say
    from shared.clock import utc_now

    now = utc_now()
    say(f"Sluice {stack.version} is {stack.phase} at {stack.gateway_url}; started {ago(stack.started_at, now)}.")
    say(f"configuration  {stack.config}{' (generated; a simulated provider answers)' if stack.simulated else ''}")
    say(f"API key        {stack.api_key or 'one of your configuration'}")
    say(f"Kafka          {stack.kafka_url}")
    say(f"Redis          {stack.redis_url}")
    say(f"PostgreSQL     {stack.postgres_url}")
    say("")
    rows = [
        (
            service.name,
            service.phase.value,
            brief_duration(now - service.since),
            service.address,
            str(service.pid or "-"),
            str(service.restarts),
            service.trouble or "",
        )
        for service in stack.services
    ]
    headings = ("SERVICE", "STATE", "SINCE", "ADDRESS", "PID", "RESTARTS", "")
    print_table(headings, rows, right=("SINCE", "PID", "RESTARTS"))
