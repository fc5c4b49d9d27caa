"""`sluice teams`: the teams of a tenant that the database knows."""

import typer

from cli.administration.options import (
    AdminKey,
    AsJson,
    Block,
    Concurrency,
    Note,
    RequestsPerMinute,
    Tags,
    TeamName,
    TenantName,
    TokensPerMinute,
    limits,
    terms,
)

__all__ = ["teams"]

teams = typer.Typer(help="Make and change the teams of a tenant.", no_args_is_help=True, rich_markup_mode=None)


@teams.command("list")
def list_teams(tenant: TenantName, admin_key: AdminKey = None, as_json: AsJson = False) -> None:
    """List a tenant's teams.

    \b
    Examples:
      sluice teams list acme
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import limits_in_short
    from cli.environment import here
    from cli.printing import print_json, print_table, remark

    with Administration(here(), admin_key) as administration:
        found = list(administration.teams(tenant))
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif found:
        rows = [
            (each.team, "blocked" if each.blocked else "", limits_in_short(each.limits), each.note) for each in found
        ]
        print_table(("TEAM", "STATE", "LIMITS", "NOTE"), rows)
    else:
        remark("No teams.")


@teams.command("show")
def show_team(tenant: TenantName, team: TeamName, admin_key: AdminKey = None, as_json: AsJson = False) -> None:
    """Show one team.

    \b
    Examples:
      sluice teams show acme storefront
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here

    with Administration(here(), admin_key) as administration:
        show(administration.team(tenant, team), as_json)


@teams.command("create")
def create_team(
    tenant: TenantName,
    team: TeamName,
    *,
    note: Note = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrency: Concurrency = None,
    tag: Tags = None,
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Create a team.

    \b
    Examples:
      sluice teams create acme storefront --requests-per-minute 300
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here

    said = limits(requests_per_minute, tokens_per_minute, concurrency)
    asked = {"team": team, **terms(note=note, tags=tag, said=said)}
    with Administration(here(), admin_key) as administration:
        show(administration.create_team(tenant, asked), as_json)


@teams.command("change")
def change_team(
    tenant: TenantName,
    team: TeamName,
    *,
    block: Block = None,
    note: Note = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrency: Concurrency = None,
    tag: Tags = None,
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Change a team. What is not said stays as it is; tags are replaced as a whole.

    \b
    Examples:
      sluice teams change acme storefront --block
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here

    said = limits(requests_per_minute, tokens_per_minute, concurrency)
    with Administration(here(), admin_key) as administration:
        before = administration.team(tenant, team).limits.model_dump() if said else None
        asked = terms(note=note, block=block, tags=tag, said=said, before=before)
        show(administration.change_team(tenant, team, asked), as_json)
