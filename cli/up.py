"""`sluice up`: everything on this machine, until Ctrl-C."""

import asyncio
import os
import signal
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.stack.folder import StackFolder
    from cli.stack.run import Up
    from cli.stack.settling import Wishes

__all__ = ["up"]


def up(
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many router workers.")] = 2,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Of the gateway.  [default: 8080]")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The configuration.  [default: $SLUICE_CONFIG, ./sluice.yaml]")
    ] = None,
    detach: Annotated[
        bool,
        typer.Option("--detach/--foreground", "-d/-f", help="Return once everything is ready, and leave it running."),
    ] = False,
    simulator: Annotated[
        bool, typer.Option(help="Whether a simulated provider stands in while there is no configuration.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Say where everything is as one JSON object.")] = False,
) -> None:
    """Start everything on this machine, and keep it running.

    Kafka, Valkey and PostgreSQL, the gateway, the workers and the ledger; no Docker, no root. It needs no
    configuration: a simulated provider then answers, and an API key is made and printed. A sluice.yaml in the folder
    is used when there is one. Data stays in .sluice/ and survives a restart. Servers that KAFKA_URL, REDIS_URL or
    POSTGRES_URL name are taken instead of own ones. Ctrl-C ends everything in order; a second one does not wait.

    \b
    Examples:
      sluice up
      sluice up --workers 4 --port 9000
      sluice up --detach && sluice status
    """
    from cli.stack.folder import own_folder
    from cli.stack.settling import Wishes
    from cli.stack.state import described, refuse_if_running

    folder = own_folder(os.environ, Path.cwd())
    refuse_if_running(folder)
    wishes = Wishes(workers=workers, port=port, config=config, simulator=simulator)
    if not detach:
        _in_foreground(folder, wishes, as_json=as_json)
        return
    from cli.printing import print_json, say
    from cli.stack.background import started_in_background

    state = started_in_background(wishes.as_arguments(), folder)
    if as_json:
        print_json(described(state))
    else:
        say(state.greeting)


def _in_foreground(folder: "StackFolder", wishes: "Wishes", *, as_json: bool) -> None:
    from rich.console import Console

    from cli.stack.run import Up
    from cli.stack.screen import JsonScreen, screen_for

    with nullcontext(JsonScreen()) if as_json else screen_for(Console()) as screen, suppress(asyncio.CancelledError):
        asyncio.run(_until_told(Up(folder, wishes, screen)))


async def _until_told(stack: "Up") -> None:
    """Raises CancelledError when it ended because it was told to."""
    running = asyncio.create_task(stack.run(), name="up")

    def told(received: signal.Signals) -> None:
        if running.cancelling():
            stack.screen.tell("not waiting any longer")
            stack.kill()
            return
        stack.screen.tell(f"{received.name}: ending everything in order; once more to wait for nothing")
        running.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told, number)
    await running
