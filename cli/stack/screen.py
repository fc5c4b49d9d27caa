"""What does a person see of a running stack? What happens, line by line; in a terminal also how it stands, live."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.instants import brief_duration
from cli.printing import print_json_line, remark, say
from cli.stack.state import Phase, ServiceState, StackState, described
from shared.clock import utc_now

__all__ = ["JsonScreen", "LiveScreen", "PlainScreen", "Screen", "screen_for"]

_COLOURS = {
    Phase.STARTING: "yellow",
    Phase.READY: "green",
    Phase.UNREADY: "yellow",
    Phase.RESTARTING: "red",
    Phase.STOPPING: "yellow",
    Phase.STOPPED: "dim",
}


class Screen(Protocol):
    def tell(self, event: str) -> None:
        """Something has happened."""
        ...

    def show(self, services: Sequence[ServiceState]) -> None:
        """This is how everything stands now."""
        ...

    def ready(self, stack: StackState) -> None:
        """Everything answers."""
        ...


class PlainScreen:
    """For a log file or a pipe."""

    def tell(self, event: str) -> None:
        remark(f"{utc_now():%H:%M:%S}Z  {event}")

    def show(self, services: Sequence[ServiceState]) -> None:
        """What changed has been told already."""

    def ready(self, stack: StackState) -> None:
        say(stack.greeting)


class JsonScreen(PlainScreen):
    """For a script: where everything is, as one object on stdout; what happens goes to stderr as ever."""

    def ready(self, stack: StackState) -> None:
        print_json_line(described(stack))


class LiveScreen:
    """A table at the foot of the terminal; what happens scrolls above it."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._services: Sequence[ServiceState] = ()

    def tell(self, event: str) -> None:
        self._live.console.print(Text(f"{datetime.now().astimezone():%H:%M:%S}  {event}", style="dim"))

    def show(self, services: Sequence[ServiceState]) -> None:
        self._services = services

    def ready(self, stack: StackState) -> None:
        # Not folded: what is printed here is pasted.
        self._live.console.print(Text(stack.greeting), soft_wrap=True)

    def __rich__(self) -> Table:
        """Asked for at every refresh, so the times go on by themselves."""
        now = utc_now()
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
        for heading in ("SERVICE", "STATE", "SINCE", "ADDRESS", "PID", "RESTARTS", ""):
            table.add_column(heading, justify="right" if heading in ("SINCE", "PID", "RESTARTS") else "left")
        for service in self._services:
            table.add_row(
                service.name,
                Text(service.phase, style=_COLOURS[service.phase]),
                brief_duration(now - service.since),
                service.address,
                str(service.pid or "-"),
                str(service.restarts),
                Text(service.trouble or "", style="dim", overflow="ellipsis", no_wrap=True),
            )
        return table


@contextmanager
def screen_for(console: Console) -> Iterator[Screen]:
    if not console.is_terminal:
        yield PlainScreen()
        return
    with Live(console=console, refresh_per_second=2, redirect_stdout=False, redirect_stderr=False) as live:
        screen = LiveScreen(live)
        live.update(screen)
        yield screen
