"""`sluice route`: who would be asked for a request, or was asked for a job, why, and how they do."""

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

route = typer.Typer(help="Who is asked for a job, why, and how they do.", no_args_is_help=True, rich_markup_mode=None)


ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="[default: as `sluice config show` finds it]", show_default=False)
]


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
    config: ConfigOption = None,
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


@route.command("test")
def try_each(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Of the configuration.", show_default=False)],
    *,
    config: ConfigOption = None,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="For each call: 30s, 2m.")] = "30s",
    fallbacks: Annotated[bool, typer.Option("--fallbacks", help="Its fallback models' deployments too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per deployment and line.")] = False,
) -> None:
    """Send one small real request to each deployment of a model, and say what came of it.

    It goes from here to the providers, with the keys of the configuration, past gateway, quotas and ledger; it costs a
    few tokens each. Exit code 4 when a deployment did not answer.

    \b
    Examples:
      sluice route test gpt-4o
      sluice route test gpt-4o --fallbacks --json | jq 'select(.outcome != "ok")'
    """
    import asyncio

    from cli.exit_codes import ExitCode
    from cli.routing.showing import show_trials
    from cli.routing.trial import tried

    found = _loaded(config)
    if model not in found.models:
        raise typer.BadParameter(
            f"no such model; known: {', '.join(sorted(found.models)) or 'none'}.", param_hint="MODEL"
        )
    trials = asyncio.run(tried(found, model, seconds=_seconds(timeout), fallbacks=fallbacks))
    show_trials(trials, as_json=as_json)
    if not all(trial.is_good for trial in trials):
        raise typer.Exit(ExitCode.SOME_FAILED)


@route.command()
def stats(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="As asked for [default: all]", show_default=False)
    ] = None,
    *,
    since: Annotated[str, typer.Option(metavar="WHEN", help="1h, 7d, 2026-11-01.")] = "24h",
    tenant: Annotated[str | None, typer.Option(help="Only this one's jobs.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per deployment and line.")] = False,
) -> None:
    """Show how each deployment did: calls, failures by kind, times to the first token and to the end, tokens, cost.

    Percentiles are of the calls themselves, from the ledger. Money is a lower bound where a price is not known.

    \b
    Examples:
      sluice route stats
      sluice route stats gpt-4o --since 1h --json | jq '{deployment, errors}'
    """
    import asyncio

    from cli.environment import here
    from cli.routing.showing import show_stats
    from cli.spending.asking import ledger, moment
    from services.accounting.ledger.route_stats import RouteLine, route_stats

    async def asked() -> "Sequence[RouteLine]":
        async with ledger(here()) as engine:
            return await route_stats(engine, since=moment(since), model=model, tenant=tenant)

    show_stats(asyncio.run(asked()), as_json=as_json)


def _seconds(text: str) -> float:
    from cli.instants import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--timeout") from None


def _of_job(job: str, key: str | None) -> "Sequence[PlanEntry]":
    from cli.environment import here
    from cli.gateway import Gateway
    from cli.printing import remark

    with Gateway(here(), key) as gateway:
        found = gateway.job(job)
    if not found.plan:
        remark("The job has no plan yet: it is made when a worker takes it.")
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
        raise UnreadableRequestError(
            f"{file}: neither the id of a job nor a file that can be read: {error.strerror}."
        ) from None
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
        endpoint=request.endpoint,
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
