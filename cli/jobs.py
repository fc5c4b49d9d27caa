"""`sluice jobs`: what became of the jobs of a tenant."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from services.ingress.api.schemas import JobObject

__all__ = ["jobs"]

jobs = typer.Typer(help="List, show and cancel jobs.", no_args_is_help=True, rich_markup_mode=None)

_PAGE: Final = 100

Status = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
Key = Annotated[str | None, typer.Option(help="The API key.  [default: $SLUICE_API_KEY]", show_default=False)]
JobIds = Annotated[list[str], typer.Argument(metavar="JOB", help="Ids of jobs: job_…", show_default=False)]


@jobs.command("list")
def list_jobs(
    status: Annotated[Status | None, typer.Option(help="Only those that stand like this.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array.")] = False,
) -> None:
    """List the jobs of your tenant, newest first.

    \b
    Examples:
      sluice jobs list
      sluice jobs list --status failed -n 500 --json | jq -r .[].id
    """
    from cli.environment import here
    from cli.gateway import Gateway
    from cli.printing import print_json, remark

    found: list[JobObject] = []
    with Gateway(here(), key) as gateway:
        after: str | None = None
        while len(found) < limit:
            page = gateway.jobs(limit=min(limit - len(found), _PAGE), after=after, status=status)
            found += page.data
            if not page.has_more:
                break
            after = page.last_id
    if as_json:
        print_json([job.model_dump(mode="json") for job in found])
    elif found:
        _show_table(found)
    else:
        remark("No jobs.")


@jobs.command("show")
def show_job(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The id of a job: job_…", show_default=False)],
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="As the gateway gives it.")] = False,
) -> None:
    """Show one job: how it stands, its attempts, its route, its cost, its answer.

    \b
    Examples:
      sluice jobs show job_0199…
      sluice jobs show job_0199… --json | jq .response
    """
    from cli.environment import here
    from cli.gateway import Gateway
    from cli.printing import print_json

    with Gateway(here(), key) as gateway:
        found = gateway.job(job)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show_job(found)


@jobs.command("cancel")
def cancel_jobs(
    ids: JobIds,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Each job as one line of JSON.")] = False,
) -> None:
    """Cancel jobs. One that has ended stays as it is.

    Exit code 4 when one of them is not known.

    \b
    Examples:
      sluice jobs cancel job_0199…
      sluice jobs list --status queued -n 1000 --json | jq -r .[].id | xargs sluice jobs cancel
    """
    from cli.environment import here
    from cli.gateway import Gateway, RefusedError
    from cli.printing import complain, print_json_line, say

    unknown = 0
    with Gateway(here(), key) as gateway:
        for job in ids:
            try:
                found = gateway.cancel(job)
            except RefusedError as refusal:
                unknown += 1
                complain(str(refusal))
                continue
            if as_json:
                print_json_line(found.model_dump(mode="json"))
            else:
                pending = found.status in ("queued", "running") and found.cancel_requested
                say(f"{found.id}  {'cancelling' if pending else found.status}")
    if unknown:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _cost(job: "JobObject") -> str:
    from decimal import Decimal

    from cli.printing import dollar_column

    return dollar_column([Decimal(job.cost.dollars)])[0] if job.cost else "-"


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _show_table(found: "list[JobObject]") -> None:
    from cli.instants import ago
    from cli.printing import print_table
    from shared.clock import utc_now

    now = utc_now()
    rows = [
        (
            job.id,
            job.status,
            job.model,
            job.lane,
            ago(_moment(job.created_at), now),
            str(job.usage.total_tokens) if job.usage else "-",
            _cost(job),
            job.custom_id or "-",
        )
        for job in found
    ]
    headings = ("JOB", "STATUS", "MODEL", "LANE", "CREATED", "TOKENS", "COST", "CUSTOM ID")
    print_table(headings, rows, right=("CREATED", "TOKENS", "COST"))


def _show_job(job: "JobObject") -> None:
    from cli.printing import aligned, say
    from cli.transcript import answer_text

    used = f"{job.usage.prompt_tokens} in, {job.usage.completion_tokens} out" if job.usage else "-"
    facts = [
        ("job", job.id),
        ("status", f"{job.status}{' (to be cancelled)' if job.cancel_requested and not job.ended_at else ''}"),
        ("model", job.model if job.model_served in (None, job.model) else f"{job.model}, served by {job.model_served}"),
        ("lane", job.lane),
        ("custom id", job.custom_id or "-"),
        ("created", f"{_moment(job.created_at):%Y-%m-%d %H:%M:%S}Z"),
        ("ended", f"{_moment(job.ended_at):%Y-%m-%d %H:%M:%S}Z" if job.ended_at else "-"),
        ("tokens", used),
        ("cost", _cost(job)),
        ("route", ", ".join(job.route) or "-"),
    ]
    for line in aligned(facts):
        say(line)
    for each in job.plan:
        say(f"{each.verdict:<9}  {each.deployment}: {each.reason}")
    for attempt in job.attempts:
        why = f", {attempt.error_kind}" if attempt.error_kind else ""
        took = (attempt.ended_at - attempt.started_at).total_seconds()
        say(f"attempt {attempt.attempt}  {attempt.deployment}: {attempt.status.value}{why} after {took:.1f}s")
    if job.error:
        say(f"\n{job.error.message}")
    if text := answer_text(job.response):
        say(f"\n{text}")
