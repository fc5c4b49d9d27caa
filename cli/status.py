"""`sluice status`: what runs here, where it answers, and whether it is ready."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from cli.stack.state import StackState

__all__ = ["status"]


class Value(StrEnum):
    """What other programs want to know: fields of `StackState`."""

    GATEWAY_URL = "gateway_url"
    API_KEY = "api_key"
    ADMIN_KEY = "admin_key"
    KAFKA_URL = "kafka_url"
    REDIS_URL = "redis_url"
    POSTGRES_URL = "postgres_url"


def status(
    examples: Annotated[bool, typer.Option("--examples", help="Only the lines to paste that `up` printed.")] = False,
    value: Annotated[
        Value | None, typer.Option("--get", help="Only this, for another command's arguments.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Show what runs here: processes, addresses, readiness, versions.

    Exit code 0 when everything is ready, 1 when something is not or nothing runs.

    \b
    Examples:
      sluice status
      sluice status --examples
      psql "$(sluice status --get postgres_url)"
    """
    from cli.environment import here
    from cli.printing import print_json, remark, say
    from cli.stack.state import Phase, described, owner

    environment = here()
    stack = environment.stack
    tell = remark if value else say  # what is put into another command must be the value or nothing
    if stack is None and owner(environment.folder):
        print_json({"phase": Phase.STARTING}) if as_json else tell("Sluice is starting its servers.")
        raise typer.Exit(ExitCode.SETUP)
    if stack is None:
        print_json({"phase": Phase.STOPPED}) if as_json else tell("Nothing runs here. `sluice up` starts everything.")
        raise typer.Exit(ExitCode.SETUP)
    if value:
        _get(stack, value)
    elif examples:
        say(stack.examples)
    elif as_json:
        print_json(described(stack))
    else:
        _show(stack)
    if stack.phase is not Phase.READY or _lacking(stack):
        raise typer.Exit(ExitCode.SETUP)


def _get(stack: "StackState", value: Value) -> None:
    from cli.printing import say
    from shared.errors import OperatorError

    found = getattr(stack, value)
    if not found:
        raise OperatorError("Only the callers know their keys: the configuration holds hashes.")
    say(found)


def _lacking(stack: "StackState") -> list[str]:
    from cli.stack.state import Phase

    return [service.name for service in stack.services if service.phase is not Phase.READY]


def _stands(stack: "StackState") -> str:
    from cli.stack.state import Phase

    lacking = _lacking(stack)
    return f"up, but for {', '.join(lacking)}," if stack.phase is Phase.READY and lacking else stack.phase


def _show(stack: "StackState") -> None:
    from cli.instants import ago, brief_duration
    from cli.printing import print_table, say
    from shared.clock import utc_now

    now = utc_now()
    say(f"Sluice {stack.version} is {_stands(stack)} at {stack.gateway_url}; started {ago(stack.started_at, now)}.")
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
