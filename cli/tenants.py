"""`sluice tenants`: the tenants that the database knows."""

from typing import Annotated

import typer

from cli.administration.options import (
    AdminKey,
    AsJson,
    Block,
    Concurrency,
    Note,
    RequestsPerMinute,
    Tags,
    TenantName,
    TokensPerMinute,
    limits,
    terms,
)

__all__ = ["tenants"]

tenants = typer.Typer(help="Make and change tenants.", no_args_is_help=True, rich_markup_mode=None)

TimeZone = Annotated[
    str | None, typer.Option("--time-zone", help="Where its days begin, such as Europe/Berlin.", show_default=False)
]


@tenants.command("list")
def list_tenants(admin_key: AdminKey = None, as_json: AsJson = False) -> None:
    """List the tenants of the database; those of sluice.yaml are not among them.

    \b
    Examples:
      sluice tenants list
      sluice tenants list --json | jq -r .[].tenant
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import limits_in_short
    from cli.environment import here
    from cli.printing import print_json, print_table, remark

    with Administration(here(), admin_key) as administration:
        found = list(administration.tenants())
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif found:
        rows = [
            (each.tenant, "blocked" if each.blocked else "", limits_in_short(each.limits), each.note) for each in found
        ]
        print_table(("TENANT", "STATE", "LIMITS", "NOTE"), rows)
    else:
        remark("No tenants in the database; those of sluice.yaml need no row here.")


@tenants.command("show")
def show_tenant(tenant: TenantName, admin_key: AdminKey = None, as_json: AsJson = False) -> None:
    """Show one tenant.

    \b
    Examples:
      sluice tenants show acme
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here

    with Administration(here(), admin_key) as administration:
        show(administration.tenant(tenant), as_json)


@tenants.command("create")
def create_tenant(
    tenant: TenantName,
    *,
    note: Note = None,
    time_zone: TimeZone = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrency: Concurrency = None,
    tag: Tags = None,
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Create a tenant.

    \b
    Examples:
      sluice tenants create acme --requests-per-minute 600 --time-zone Europe/Berlin
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here

    said = limits(requests_per_minute, tokens_per_minute, concurrency)
    asked = {"tenant": tenant, **_zone(time_zone), **terms(note=note, tags=tag, said=said)}
    with Administration(here(), admin_key) as administration:
        show(administration.create_tenant(asked), as_json)


@tenants.command("change")
def change_tenant(
    tenant: TenantName,
    *,
    block: Block = None,
    note: Note = None,
    time_zone: TimeZone = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrency: Concurrency = None,
    tag: Tags = None,
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Change a tenant. What is not said stays as it is; tags are replaced as a whole.

    \b
    Examples:
      sluice tenants change acme --block
      sluice tenants change acme --tokens-per-minute 0
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here

    said = limits(requests_per_minute, tokens_per_minute, concurrency)
    with Administration(here(), admin_key) as administration:
        before = administration.tenant(tenant).limits.model_dump() if said else None
        asked = {**_zone(time_zone), **terms(note=note, block=block, tags=tag, said=said, before=before)}
        show(administration.change_tenant(tenant, asked), as_json)


def _zone(name: str | None) -> dict[str, str]:
    return {} if name is None else {"time_zone": name}
