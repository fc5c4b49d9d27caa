"""Who is told how a submission goes? A person, with a bar in a terminal; or a program, with a line of JSON each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cli.printing import complain, print_json_line
from cli.submission.waiting import Ending

__all__ = ["Board", "JsonBoard", "Outcome", "PlainBoard", "board_for"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of one line."""

    line: int
    custom_id: str | None
    status: Literal["queued", "queued earlier", "refused", "unknown"]
    job: str | None = None
    why: str | None = None

    @property
    def is_in(self) -> bool:
        return self.status in ("queued", "queued earlier")

    @property
    def complaint(self) -> str:
        name = f" ({self.custom_id})" if self.custom_id else ""
        return f"line {self.line}{name}: {self.why}"


class Board(Protocol):
    def line(self, outcome: Outcome) -> None:
        """A line has been settled."""
        ...

    def wait_for(self, jobs: int) -> None:
        """From now on endings come."""
        ...

    def end(self, ending: Ending) -> None:
        """A job has ended."""
        ...


class PlainBoard:
    """Only what went wrong, on stderr."""

    def line(self, outcome: Outcome) -> None:
        if not outcome.is_in:
            complain(outcome.complaint)

    def wait_for(self, jobs: int) -> None:
        """Nothing is shown of it."""

    def end(self, ending: Ending) -> None:
        if ending.status != "succeeded":
            complain(_ending_told(ending))


class JsonBoard:
    """Everything, on stdout."""

    def line(self, outcome: Outcome) -> None:
        told = {"line": outcome.line, "custom_id": outcome.custom_id, "id": outcome.job, "status": outcome.status}
        print_json_line(told | ({"error": outcome.why} if outcome.why else {}))

    def wait_for(self, jobs: int) -> None:
        """The endings speak for themselves."""

    def end(self, ending: Ending) -> None:
        line = ending.accepted.line
        told = {"line": line.number, "custom_id": line.custom_id, "id": ending.accepted.job, "status": ending.status}
        print_json_line(told | ({"error": ending.why} if ending.why else {}))


class LiveBoard:
    """Bars, and above them what went wrong."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress = progress
        self._accepting = progress.add_task("accepted", total=total)
        self._ending: TaskID | None = None

    def line(self, outcome: Outcome) -> None:
        self._progress.advance(self._accepting)
        if not outcome.is_in:
            self._complain(outcome.complaint)

    def wait_for(self, jobs: int) -> None:
        self._ending = self._progress.add_task("ended", total=jobs)

    def end(self, ending: Ending) -> None:
        if self._ending is not None:
            self._progress.advance(self._ending)
        if ending.status != "succeeded":
            self._complain(_ending_told(ending))

    def _complain(self, text: str) -> None:
        self._progress.console.print(f"[red]sluice: {escape(text)}[/red]", soft_wrap=True, highlight=False)


@contextmanager
def board_for(console: Console, total: int | None) -> Iterator[Board]:
    """`console` is that of stderr: stdout is for results."""
    if not console.is_terminal:
        yield PlainBoard()
        return
    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield LiveBoard(progress, total)


def _ending_told(ending: Ending) -> str:
    line = ending.accepted.line
    name = line.custom_id or f"line {line.number}"
    return f"{name}: {ending.status}{f': {ending.why}' if ending.why else ''} ({ending.accepted.job})"
