"""The commands of `sluice keys` that speak to the admin API: the keys that the database knows."""

from typing import TYPE_CHECKING, Annotated, cast

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

if TYPE_CHECKING:
    from pydantic import JsonValue

    from shared.contracts import JsonObject

__all__ = ["COMMANDS"]

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The public part of the key.", show_default=False)]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="A model it may ask for; may be given several times.", show_default=False),
]
Lanes = Annotated[
    list[str] | None, typer.Option("--lane", help="interactive or batch; both when left out.", show_default=False)
]
Expires = Annotated[
    str | None, typer.Option(metavar="WHEN", help="2027-01-31, 2027-01-31T12:00Z, or never.", show_default=False)
]


def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Only this one's.", show_default=False)] = None,
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """List the keys of the database; those of sluice.yaml are not among them.

    \b
    Examples:
      sluice keys list
      sluice keys list --tenant acme --json | jq -r .[].id
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import limits_in_short, state_of
    from cli.environment import here
    from cli.printing import print_json, print_table, remark
    from shared.clock import utc_now

    with Administration(here(), admin_key) as administration:
        found = list(administration.keys(tenant))
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif found:
        now = utc_now()
        rows = [
            (each.id, each.tenant, each.team or "", state_of(each, now), limits_in_short(each.limits), each.note)
            for each in found
        ]
        print_table(("KEY", "TENANT", "TEAM", "STATE", "LIMITS", "NOTE"), rows)
    else:
        remark("No keys in the database; those of sluice.yaml need no row here.")


def show_key(key: KeyId, admin_key: AdminKey = None, as_json: AsJson = False) -> None:
    """Show one key, but for its secret, which nobody has.

    \b
    Examples:
      sluice keys show reports-nightly
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here

    with Administration(here(), admin_key) as administration:
        show(administration.api_key(key), as_json)


def create_key(
    tenant: TenantName,
    *,
    name: Annotated[
        str | None, typer.Option("--id", help="Stands in the key; made up when left out.", show_default=False)
    ] = None,
    team: Annotated[str | None, typer.Option(help="The team it belongs to.", show_default=False)] = None,
    model: Models = None,
    lane: Lanes = None,
    expires: Expires = None,
    note: Note = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrency: Concurrency = None,
    tag: Tags = None,
    budget: Annotated[
        str | None, typer.Option(metavar="DOLLARS", help="How much it may spend.", show_default=False)
    ] = None,
    per: Annotated[str, typer.Option(metavar="PERIOD", help="Of --budget: day, month or total.")] = "month",
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Create a key in the database, and print it, once. It works at every door within a second.

    \b
    Examples:
      sluice keys create acme --id reports-nightly --lane batch --expires 2027-01-31
      sluice keys create acme --id intern --budget 20 --per day
      sluice keys create acme --json | jq -r .key
    """
    from cli.administration.asking import Administration
    from cli.environment import here

    said = limits(requests_per_minute, tokens_per_minute, concurrency)
    asked = {"tenant": tenant, **terms(note=note, tags=tag, said=said), **_allowed(model, lane, expires)}
    asked |= {field: text for field, text in (("id", name), ("team", team)) if text is not None}
    if budget is not None:
        asked["budget"] = {"dollars": budget, "per": per}
    with Administration(here(), admin_key) as administration:
        _hand_over(administration.create_key(asked), as_json)


def change_key(
    key: KeyId,
    *,
    block: Block = None,
    model: Models = None,
    lane: Lanes = None,
    expires: Expires = None,
    note: Note = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrency: Concurrency = None,
    tag: Tags = None,
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Change a key. What is not said stays as it is; models, lanes and tags are replaced as a whole.

    \b
    Examples:
      sluice keys change reports-nightly --model gpt-4o-mini --model gpt-4.1-mini
      sluice keys change reports-nightly --block
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here

    said = limits(requests_per_minute, tokens_per_minute, concurrency)
    with Administration(here(), admin_key) as administration:
        before = administration.api_key(key).limits.model_dump() if said else None
        asked = terms(note=note, block=block, tags=tag, said=said, before=before) | _allowed(model, lane, expires)
        show(administration.change_key(key, asked), as_json)


def rotate_key(
    key: KeyId,
    overlap: Annotated[int, typer.Option(metavar="SECONDS", min=0, help="How long the old one works too.")] = 86_400,
    admin_key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Give a key another secret, and print it, once. The old one works for a while longer.

    \b
    Examples:
      sluice keys rotate reports-nightly --overlap 3600
    """
    from cli.administration.asking import Administration
    from cli.environment import here

    with Administration(here(), admin_key) as administration:
        _hand_over(administration.rotate_key(key, overlap), as_json)


def revoke_key(key: KeyId, admin_key: AdminKey = None, as_json: AsJson = False) -> None:
    """Revoke a key, for ever. Every door refuses it within a second.

    \b
    Examples:
      sluice keys revoke reports-nightly
    """
    from cli.administration.asking import Administration
    from cli.administration.showing import show
    from cli.environment import here

    with Administration(here(), admin_key) as administration:
        show(administration.revoke_key(key), as_json)


COMMANDS = (
    ("list", list_keys),
    ("show", show_key),
    ("create", create_key),
    ("change", change_key),
    ("rotate", rotate_key),
    ("revoke", revoke_key),
)


def _allowed(models: list[str] | None, lanes: list[str] | None, expires: str | None) -> "JsonObject":
    asked: JsonObject = {}
    if models:
        asked["models"] = cast("list[JsonValue]", models)
    if lanes:
        asked["lanes"] = cast("list[JsonValue]", lanes)
    if expires is not None:
        asked["expires_at"] = None if expires == "never" else _moment(expires)
    return asked


def _moment(text: str) -> str:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date.", param_hint="--expires") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _hand_over(made: object, as_json: bool) -> None:
    from cli.administration.showing import show
    from cli.printing import remark, say
    from services.ingress.api.admin.schemas import KeyMade

    assert isinstance(made, KeyMade)  # noqa: S101 - typed late, so that the help loads nothing
    if as_json:
        show(made, as_json)
        return
    remark("The key. It is not kept anywhere, and cannot be shown again:")
    say(made.key)
