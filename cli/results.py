"""`sluice results`: the results topic as a file of OpenAI's batch output."""

import asyncio
import json
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka import ConsumerRecord

    from cli.collecting import Collection
    from cli.environment import Environment
    from shared.blobs import Blobs

__all__ = ["results"]


def results(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as results come.")] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only from 2h or 7d ago, from 2026-11-01, or from now.", show_default=False),
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="From the oldest that is kept. This is the default.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Append to a file what is not in it yet.", show_default=False
        ),
    ] = None,
    jobs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Wait for these and no others: ids, or what `submit --json` wrote.", show_default=False
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="Wait until so many are written.", show_default=False)
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="The longest to wait: 90s, 10m.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Accepted, and without effect: it is JSON lines.")] = False,  # noqa: ARG001
) -> None:
    """Write the results of jobs as JSON lines: OpenAI's batch output, each job once.

    It reads what there is and stops; with --follow, --jobs or --count it waits for more. When it was interrupted, the
    same command with the same -o goes on. Read from Kafka, so it sees the results of every tenant.

    \b
    Examples:
      sluice results > results.jsonl
      sluice results --follow --since now -o results.jsonl
      sluice submit batch.jsonl --json > jobs.jsonl && sluice results --jobs jobs.jsonl --timeout 10m
    """
    from cli.collecting import Collection, ids_in
    from cli.environment import here
    from cli.printing import remark

    if since and from_beginning:
        raise typer.BadParameter("--since and --from-beginning do not go together.")
    begin, patience = _moment(since), _seconds(timeout)
    collection = Collection(frozenset(ids_in(jobs)) if jobs else None, count)
    if output and output.exists():
        collection.written.update(ids_in(output))
    waits = follow or jobs is not None or count is not None
    with ExitStack() as closing:
        target = closing.enter_context(_opened(output)) if output else sys.stdout
        in_time = asyncio.run(_collect(here(), collection, target, begin, patience, waits=waits))
    if output:
        remark(f"{output} has {len(collection.written)} results.")
    if not in_time:
        remark(f"The time is over; {collection.missing} of the jobs are missing." if jobs else "The time is over.")
        raise typer.Exit(ExitCode.TIMED_OUT)


def _opened(output: Path) -> IO[str]:
    from shared.errors import OperatorError

    try:
        return output.open("a", encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{output} cannot be written: {error.strerror}.") from error


async def _collect(
    environment: "Environment",
    collection: "Collection",
    target: IO[str],
    since: datetime | None,
    patience: float | None,
    *,
    waits: bool,
) -> bool:
    """Whether it ended by itself rather than by the clock."""
    from cli.kafka import reading
    from shared.blobs import open_blobs
    from shared.topics import RESULTS

    topic = RESULTS.at(environment.topic_prefix)
    try:
        async with asyncio.timeout(patience), reading(environment.kafka, [topic], since=since) as opened:
            records = opened.records() if waits else opened.records_so_far()
            await _write(records, collection, target, open_blobs(environment.blobs_url))
            return True
    except TimeoutError:
        return False


async def _write(
    records: "AsyncIterator[ConsumerRecord]", collection: "Collection", target: IO[str], blobs: "Blobs"
) -> None:
    """Until the records end or the collection is complete."""
    from pydantic import ValidationError

    from cli.batch_output import batch_line
    from cli.printing import remark
    from shared.blobs import BlobMissingError, BlobsAwayError, with_answer
    from shared.contracts import JobEnded

    if collection.is_complete():
        return
    async for record in records:
        try:
            ended = JobEnded.model_validate_json(record.value or b"")
        except ValidationError:
            remark(f"Offset {record.offset} of partition {record.partition} is no result; left out.")
            continue
        if not collection.takes(ended.job_id):
            continue
        try:
            ended = await with_answer(blobs, ended)
        except (BlobMissingError, BlobsAwayError) as error:
            remark(f"The large answer of {ended.job_id} cannot be had: {error}")
        target.write(json.dumps(batch_line(ended), ensure_ascii=False) + "\n")
        target.flush()
        if collection.is_complete():
            return


def _moment(text: str | None) -> datetime | None:
    from cli.instants import parse_since
    from shared.clock import utc_now

    try:
        return parse_since(text, utc_now()) if text else None
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


def _seconds(text: str | None) -> float | None:
    from cli.instants import parse_duration

    try:
        return parse_duration(text).total_seconds() if text else None
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None
