"""`sluice submit`: a JSONL file of requests becomes jobs, each line once."""

import math
import os
import sys
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.environment import Environment
    from cli.submission.doors import Opened
    from cli.submission.run import Submission

__all__ = ["submit"]


class DoorName(StrEnum):
    HTTP = "http"
    TOPIC = "topic"


class LaneName(StrEnum):
    INTERACTIVE = "interactive"
    BATCH = "batch"


def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines; - reads stdin.", show_default=False)],
    *,
    door: Annotated[
        DoorName, typer.Option(help="http asks the gateway; topic writes to Kafka and needs no key.")
    ] = DoorName.HTTP,
    model: Annotated[
        str | None, typer.Option(help="Ask for this model instead of the lines' own.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Until every job has ended.")] = False,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="The longest to wait: 90s, 10m.", show_default=False)
    ] = None,
    lane: Annotated[
        LaneName | None, typer.Option(help="Who waits for it.  [default: batch]", show_default=False)
    ] = None,
    feature: Annotated[
        str | None, typer.Option(help="The feature of your product to charge it to.", show_default=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The API key.  [default: $SLUICE_API_KEY]", show_default=False)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Send every line, also those that are in already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each line, and for each end.")] = False,
) -> None:
    """Submit a file of requests: OpenAI batch lines, or bare bodies of chat completions.

    A line that cannot be taken is told with its number and stops no other; exit code 4 then says so. When some lines
    are not in, because they were refused or the run was interrupted, the same command sends only those.

    \b
    Examples:
      sluice submit batch.jsonl
      sluice submit batch.jsonl --wait && sluice results -o results.jsonl
      sluice submit batch.jsonl --door topic --model gpt-4o-mini
      jq -c '{model: "gpt-4o", messages: [{role: "user", content: .question}]}' q.jsonl | sluice submit -
    """
    from rich.console import Console

    from cli.environment import here
    from cli.submission.board import JsonBoard, board_for
    from cli.submission.doors import DOORS, Manner
    from cli.submission.journal import opened_journal
    from cli.submission.run import Submission

    environment = here()
    give_up_at = time.monotonic() + _seconds(timeout)
    with ExitStack() as closing:
        source, total = closing.enter_context(_opened(file)), _count(file)
        manner = Manner(model=model, lane=lane, feature=feature, key=key, waits=wait)
        opened = closing.enter_context(DOORS[door](environment, manner))
        journal = _journal(file, environment, opened.destination)
        if again and journal:
            journal.unlink(missing_ok=True)
        board = JsonBoard() if as_json else closing.enter_context(board_for(Console(stderr=True), total))
        with opened_journal(journal) as remembered:
            submission = Submission(remembered, board)
            _send(submission, opened, source, model)
        in_time = not wait or _wait(submission, opened, give_up_at)
        if journal and submission.tally.is_whole and in_time:
            journal.unlink()
    _conclude(submission, in_time=in_time, as_json=as_json)


def _send(submission: "Submission", opened: "Opened", source: "Iterable[bytes]", model: str | None) -> None:
    """Say how far it came, also when it does not come to its end."""
    from cli.printing import remark
    from cli.submission.lines import read_lines

    try:
        submission.send(read_lines(source, model), opened.door)
    except BaseException:
        remark(f"{submission.tally.so_far()} The same command sends the rest.")
        raise


def _wait(submission: "Submission", opened: "Opened", give_up_at: float) -> bool:
    from cli.printing import remark

    try:
        return submission.wait(opened.wait, give_up_at)
    except BaseException:
        remark(f"{submission.tally.told()} They go on without this command; the same one waits for them again.")
        raise


def _conclude(submission: "Submission", *, in_time: bool, as_json: bool) -> None:
    from cli.printing import remark, say

    tally = submission.tally
    (remark if as_json else say)(tally.told())
    if tally.shared_name is not None:
        remark(
            f"More than one line has the custom_id {tally.shared_name!r}: only ids of jobs tell their results apart."
        )
    if not tally.is_whole:
        remark("The same command sends only the lines that are not in yet.")
    if not in_time:
        open_jobs = len(submission.accepted) - tally.ended
        remark(f"The time is over; {open_jobs} jobs have not ended. The same command waits for them again.")
        raise typer.Exit(ExitCode.TIMED_OUT)
    if not tally.is_whole or tally.succeeded < tally.ended:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _opened(file: str) -> "AbstractContextManager[BinaryIO]":
    from shared.errors import OperatorError

    if file == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}.") from error


def _count(file: str) -> int | None:
    """How many lines there are to send; unknown of a pipe."""
    if file == "-":
        return None
    with Path(file).open("rb") as lines:
        return sum(1 for line in lines if line.strip())


def _journal(file: str, environment: "Environment", destination: str) -> Path | None:
    """In the stack's folder when there is one, so that it is forgotten with the stack's data."""
    from cli.submission.journal import journal_path

    if file == "-":
        return None
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "sluice" / "submissions"
    folder = environment.folder.submissions if environment.folder.owned.is_dir() else home
    return journal_path(folder, Path(file), destination)


def _seconds(text: str | None) -> float:
    from cli.instants import parse_duration

    try:
        return parse_duration(text).total_seconds() if text else math.inf
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None
