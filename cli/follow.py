"""`sluice follow`: one job's answer as it is written, in the terminal."""

import random
import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from cli.gateway import Gateway
    from cli.readers import Reader
    from shared.contracts import JobEnded

__all__ = ["follow"]

_GIVE_UP_SECONDS: Final = 120.0
"""Without a word from any replica."""


def follow(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The id of a job: job_…", show_default=False)],
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on behind this event, for example 1-57.", show_default=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The API key.  [default: $SLUICE_API_KEY]", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every event as one line of JSON.")] = False,
) -> None:
    """Follow a job: its tokens as they come, or its answer when it has ended.

    A dropped connection is resumed where it broke. In a pipe the answer is written once, when it is complete, so that
    nothing is in it that a restart made void. How it went is said on stderr.

    \b
    Examples:
      sluice follow job_0199…
      sluice follow job_0199… > answer.txt
      sluice follow job_0199… --json | jq .event
    """
    from cli.environment import here
    from cli.gateway import Gateway
    from cli.readers import AnswerReader, EventReader, LiveReader
    from shared.contracts import JobStatus

    answer_reader = LiveReader if sys.stdout.isatty() else AnswerReader
    reader: Reader = EventReader() if as_json else answer_reader()
    with Gateway(here(), key) as gateway:
        ended = _read(gateway, job, after, reader)
    if ended.status is not JobStatus.SUCCEEDED:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _read(gateway: "Gateway", job: str, after: str | None, reader: "Reader") -> "JobEnded":
    """Until the job has ended, over as many connections as it takes."""
    from cli.gateway import GatewayAwayError, UnansweredError
    from cli.printing import remark
    from shared.backoff import Backoff

    backoff = Backoff(base_seconds=0.2, cap_seconds=5.0)
    failures, heard_at, connected = 0, time.monotonic(), False
    while True:
        try:
            for event in gateway.events(job, after):
                failures, heard_at, connected = 0, time.monotonic(), True
                after = event.id or after
                if ended := reader.take(event):
                    return ended
        except (GatewayAwayError, UnansweredError) as error:
            if not connected or time.monotonic() - heard_at > _GIVE_UP_SECONDS:
                raise
            if failures == 0:
                remark(f"({error} Going on behind {after} when it is back.)")
        failures += 1
        time.sleep(backoff.delay(failures, random.random()))  # noqa: S311 - jitter, not a secret
