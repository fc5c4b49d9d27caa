"""`sluice route`: who would be asked for a request, or was asked for a job, and why."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.router_worker.routing.odds import Lot
    from shared.config import Config
    from shared.contracts import Job, PlanEntry

__all__ = ["UnreadableRequestError", "route"]

route = typer.Typer(help="Who is asked for a job, and why.", no_args_is_help=True, rich_markup_mode=None)


class UnreadableRequestError(OperatorError):
    """No plan can be made of it."""


@route.callback()
def _of_routes() -> None:
    pass


@route.command()
def explain(
    asked: Annotated[
        str, typer.Argument(metavar="FILE|JOB", help="A request as JSON, or the id of a job.", show_default=False)
    ],
    *,
    config: Annotated[
        Path | None, typer.Option("--config", help="[default: as `sluice config show` finds it]", show_default=False)
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose request it is, for rules.")] = "",
    team: Annotated[str | None, typer.Option(help="Of the tenant, for rules.")] = None,
    labels: Annotated[
        str | None, typer.Option("--route", metavar="LABELS", help="As in the header `x-sluice-route`: region=eu.")
    ] = None,
    turn: Annotated[int, typer.Option(min=0, help="For strategies that take turns.")] = 0,
    draw: Annotated[float, typer.Option(min=0, max=0.999999, help="For strategies that draw lots.")] = 0.0,
    key: Annotated[str | None, typer.Option("--key", help="API key, for a JOB [default: $SLUICE_API_KEY].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per deployment and line.")] = False,
) -> None:
    """Show the plan of a request: every deployment in its order, and why others are left out. Nobody is called.

    For a FILE it is made here, from the configuration alone, as a worker would make it that sees no traffic yet. For a
    JOB it is the plan that its worker had, with what came of it.

    \b
    Examples:
      sluice route explain request.json --tenant acme --route region=eu
      sluice route explain job_0199…
    """
    from cli.printing import print_json_line, say
    from services.router_worker.routing.odds import Lot
    from shared.ids import parse_job_id

    if parse_job_id(asked):
        entries = _of_job(asked, key)
    else:
        entries = _replayed(_loaded(config), _job(Path(asked), tenant, team, labels), Lot(turn, draw))
    for entry in entries:
        if as_json:
            print_json_line(entry.model_dump(mode="json"))
        else:
            say(f"{entry.verdict:<9}{entry.deployment} for {entry.model}: {entry.reason}")


def _of_job(job: str, key: str | None) -> "Sequence[PlanEntry]":
    from cli.environment import here
    from cli.gateway import Gateway
    from cli.printing import remark

    with Gateway(here(), key) as gateway:
        found = gateway.job(job)
    if not found.plan:
        remark("The job has no plan yet: it is known when the job has ended.")
    return found.plan


def _loaded(config: Path | None) -> "Config":
    import os

    from cli.environment import here
    from services.router_worker.providers.known import KNOWN
    from shared.config import load_config

    return load_config(config or Path(here().config_source.value), os.environ, KNOWN)


def _job(file: Path, tenant: str, team: str | None, labels: str | None) -> "Job":
    """As the gateway would queue it, had it been let in. Raises UnreadableRequestError."""
    from services.ingress.admission import Manner, Refused, read_request, read_wishes
    from shared import catalog
    from shared.clock import utc_now
    from shared.contracts import Door, Interruption, Job, Lane
    from shared.ids import new_job_id
    from shared.tokens import TokenCounter

    try:
        raw = file.read_bytes()
    except OSError as error:
        raise UnreadableRequestError(f"{file}: neither the id of a job nor a file that can be read: {error}") from None
    headers = {} if labels is None else {"x-sluice-route": labels}
    wishes = read_wishes(headers.get, "x-sluice-", key_header="idempotency-key")
    request = wishes if isinstance(wishes, Refused) else read_request(raw, Manner(Door.JOBS, Lane.INTERACTIVE), wishes)
    if isinstance(request, Refused):
        raise UnreadableRequestError(f"{file}: {request.message}")
    now = utc_now()
    return Job(
        id=new_job_id(),
        tenant=tenant,
        team=team,
        caller="",
        door=request.door,
        lane=request.lane,
        model=request.model,
        body=request.body,
        streamed=request.streamed,
        on_interrupt=Interruption.RESTART,
        tags=request.tags,
        labels=request.labels,
        input_tokens=TokenCounter().count_chat(catalog.find(request.model).encoding, request.body).input,
        accepted_at=now,
        deadline=now + timedelta(minutes=10),
    )


def _replayed(config: "Config", job: "Job", lot: "Lot") -> "Sequence[PlanEntry]":
    from services.router_worker.planning import Planner, goes_by_cost
    from services.router_worker.providers.transport import Providers
    from services.router_worker.routing.explain import explained
    from services.router_worker.routing.traffic import Traffic
    from shared.clock import utc_now
    from shared.prices.genai import price_book

    prices = price_book(config) if goes_by_cost(config) else None
    planner = Planner(config, Providers(config.providers, utc_now).lacks, Traffic(), prices, utc_now)
    return explained(planner.planned(job, lot), ())
