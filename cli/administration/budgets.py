"""The commands of `sluice budgets` that speak to the admin API: what is set there is in force within a second."""

from typing import TYPE_CHECKING, Annotated, cast

import typer

from cli.administration.options import AdminKey, AsJson, TenantName

if TYPE_CHECKING:
    from pydantic import JsonValue

    from shared.contracts import JsonObject

__all__ = ["remove_budget", "set_budget"]

Per = Annotated[str, typer.Option(help="day, month or total, by the tenant's calendar.")]
Team = Annotated[str | None, typer.Option(help="Only what this team spends.", show_default=False)]
Key = Annotated[str | None, typer.Option(help="Only what this key spends.", show_default=False)]
Model = Annotated[str | None, typer.Option(help="Only what this model costs, whoever answers.", show_default=False)]
Tag = Annotated[
    str | None,
    typer.Option(metavar="NAME=TEXT", help="Only requests with this label in their metadata.", show_default=False),
]


def set_budget(
    tenant: TenantName,
    dollars: Annotated[str, typer.Argument(metavar="DOLLARS", help="How much, such as 20 or 0.5.", show_default=False)],
    *,
    per: Per = "month",
    team: Team = None,
    key: Key = None,
    model: Model = None,
    tag: Tag = None,
    soft: Annotated[bool, typer.Option("--soft", help="Refuse nothing, only tell.")] = False,
    alert: Annotated[
        list[int] | None,
        typer.Option(metavar="PERCENT", help="Tell at so much; several times. 50, 80 and 100.", show_default=False),
    ] = None,
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Set a budget: a new one, or another amount for the one that is per and of the same.

    It is in force within a second, at every door and without a restart; what was spent already counts.

    \b
    Examples:
      sluice budgets set acme 500
      sluice budgets set acme 20 --per day --team storefront
      sluice budgets set acme 50 --per total --tag project=apollo --soft
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here
    from cli.printing import remark

    asked: JsonObject = {"dollars": dollars, "hard": not soft}
    if alert:
        asked["alerts"] = cast("list[JsonValue]", alert)
    name = _name(per, team, key, model, tag)
    with Administration(here(), admin_key) as administration:
        budget = administration.set_budget(tenant, name, asked)
    show(budget, as_json)
    if not budget.in_force:
        remark("It is not in force yet: accounting has to sum up what was spent already, and does not seem to run.")


def remove_budget(
    tenant: TenantName,
    *,
    per: Per = "month",
    team: Team = None,
    key: Key = None,
    model: Model = None,
    tag: Tag = None,
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Remove the budget that is per and of this. One of sluice.yaml is removed there.

    \b
    Examples:
      sluice budgets remove acme --per day --team storefront
    """
    from cli.administration.asking import Administration
    from cli.environment import here
    from cli.printing import print_json, remark

    name = _name(per, team, key, model, tag)
    with Administration(here(), admin_key) as administration:
        administration.remove_budget(tenant, name)
    if as_json:
        print_json({"tenant": tenant, "budget": name, "removed": True})
    else:
        remark(f"The budget '{name}' of {tenant} is removed.")


def _name(per: str, team: str | None, key: str | None, model: str | None, tag: str | None) -> str:
    """Raises typer.BadParameter."""
    from pydantic import ValidationError

    from shared.config.budgets import Budget

    said = {"per": per, "team": team, "key": key, "model": model, "tag": tag}
    try:
        return Budget.model_validate({"dollars": 1, **said}).name
    except ValidationError as error:
        wrong = error.errors()[0]
        raise typer.BadParameter(f"{wrong['msg']}.", param_hint=f"--{wrong['loc'][0]}") from None
