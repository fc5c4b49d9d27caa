"""What does a visitor see while it runs? In a terminal bars that move, elsewhere a line now and then."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.demonstration.progress import Progress
from shared.contracts import Door

__all__ = ["DOOR_NAMES", "Display", "display_for"]

DOOR_NAMES: Final = {
    Door.CHAT: "chat completions, as the OpenAI SDK calls them",
    Door.JOBS: "jobs over HTTP, one by one and as JSONL",
    Door.TOPIC: "records on the submit topic",
}

_EVERY_SECONDS: Final = 2.0
_BAR_WIDTH: Final = 24


class Display(Protocol):
    def tell(self, event: str) -> None:
        """Something has happened."""
        ...

    async def follow(self, progress: Progress) -> None:
        """Show it until cancelled."""
        ...


class PlainDisplay:
    """For a log file, a pipe or CI."""

    def __init__(self, console: Console, began: float) -> None:
        self._console = console
        self._began = began

    def tell(self, event: str) -> None:
        self._console.print(_stamped(event, self._began), soft_wrap=True, highlight=False)

    async def follow(self, progress: Progress) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.tell(f"{progress.jobs_ended} of {progress.jobs_planned} jobs have ended; {_counts(progress)}")


class LiveDisplay:
    """Bars at the foot of the terminal; what happens scrolls above them."""

    def __init__(self, live: Live, began: float) -> None:
        self._live = live
        self._began = began
        self._progress: Progress | None = None

    def tell(self, event: str) -> None:
        self._live.console.print(_stamped(event, self._began), highlight=False)

    async def follow(self, progress: Progress) -> None:
        self._progress = progress
        try:
            await asyncio.Event().wait()
        finally:
            self._progress = None

    def __rich__(self) -> Group:
        """Asked for at every refresh."""
        now = Text(f"{time.monotonic() - self._began:6.1f} s", style="bold")
        if self._progress is None:
            return Group(now)
        return Group("", _bars(self._progress), Text.assemble(now, "  ", (_counts(self._progress), "dim")))


@contextmanager
def display_for(console: Console, environ: Mapping[str, str]) -> Iterator[Display]:
    """Bars where they can move and somebody looks."""
    began = time.monotonic()
    if not console.is_terminal or console.is_dumb_terminal or environ.get("CI"):
        yield PlainDisplay(console, began)
        return
    with Live(
        console=console, refresh_per_second=10, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        display = LiveDisplay(live, began)
        live.update(display)
        yield display


def _stamped(event: str, began: float) -> Text:
    return Text.assemble((f"{time.monotonic() - began:6.1f} s", "dim"), "  ", event)


def _counts(progress: Progress) -> str:
    parts = [
        f"{progress.calls} provider calls ({progress.failed_calls} broken)",
        f"{progress.tokens:,} tokens",
        f"{progress.readers} reading, {progress.resumed} resumed",
    ]
    return ", ".join(parts)


def _bars(progress: Progress) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for door, name in DOOR_NAMES.items():
        planned, ended = progress.planned[door], progress.ended[door]
        table.add_row(
            f"  {name}",
            ProgressBar(total=planned, completed=ended, width=_BAR_WIDTH),
            Text(f"{ended}/{planned}", style="green" if ended == planned else ""),
        )
    return table
