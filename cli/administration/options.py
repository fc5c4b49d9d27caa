"""The options of several commands about tenants, teams and keys, and what they say to the admin API."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shared.contracts import JsonObject

__all__ = [
    "AdminKey",
    "AsJson",
    "Block",
    "Concurrency",
    "Note",
    "RequestsPerMinute",
    "Tags",
    "TeamName",
    "TenantName",
    "TokensPerMinute",
    "limits",
    "terms",
]

AdminKey = Annotated[
    str | None, typer.Option("--admin-key", help="The admin key.  [default: $SLUICE_ADMIN_KEY]", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="As the gateway gives it.")]
Block = Annotated[bool | None, typer.Option("--block/--unblock", help="Refuse it, or no longer.", show_default=False)]
Note = Annotated[str | None, typer.Option(help="What it is for, in words.", show_default=False)]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="NAME=TEXT", help="A label; may be given several times.", show_default=False),
]
TenantName = Annotated[str, typer.Argument(metavar="TENANT", help="The name of the tenant.", show_default=False)]
TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="The name of the team.", show_default=False)]
RequestsPerMinute = Annotated[
    int | None, typer.Option("--requests-per-minute", min=0, help="At most; 0 is unlimited.", show_default=False)
]
TokensPerMinute = Annotated[
    int | None, typer.Option("--tokens-per-minute", min=0, help="At most; 0 is unlimited.", show_default=False)
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", min=0, help="Interactive jobs at once; 0 is unlimited.", show_default=False),
]


def limits(requests: int | None, tokens: int | None, concurrency: int | None) -> dict[str, int]:
    """Those that were said."""
    said = {"requests_per_minute": requests, "tokens_per_minute": tokens, "concurrency": concurrency}
    return {name: most for name, most in said.items() if most is not None}


def terms(
    *,
    note: str | None = None,
    block: bool | None = None,
    tags: list[str] | None = None,
    said: dict[str, int] | None = None,
    before: "JsonObject | None" = None,
) -> "JsonObject":
    """What was said of what a tenant, a team and a key have alike. `before` are the limits so far.

    Raises typer.BadParameter.
    """
    asked: JsonObject = {}
    if note is not None:
        asked["note"] = note
    if block is not None:
        asked["blocked"] = block
    if tags:
        asked["tags"] = dict(map(_tag, tags))
    if said:
        asked["limits"] = {name: most for name, most in {**(before or {}), **said}.items() if most}
    return asked


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r}: expected NAME=TEXT.", param_hint="--tag")
    return name, value
