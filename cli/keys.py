"""`sluice keys`: API keys. Nobody stores more of them than a hash, so a key is seen once, when it is made."""

from typing import Annotated

import typer

from cli.administration.keys import COMMANDS

__all__ = ["keys"]

keys = typer.Typer(
    help="Make API keys: for sluice.yaml with `new`, in the database with the others.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for _name, _command in COMMANDS:
    keys.command(_name)(_command)


@keys.command("new")
def new_key(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What the key is for; it stands in the key.", show_default=False)
    ],
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose key it is.")] = "default",
    admin: Annotated[bool, typer.Option("--admin", help="A key of the admin API instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The key, its hash and the YAML as one JSON object.")] = False,
) -> None:
    """Make an API key: print it, once, and the lines of sluice.yaml that let it in.

    Nothing is stored or changed here: the key works when its hash stands in the configuration, also of a gateway
    that runs. Making one again under the same name, and replacing the hash, ends the old one. A key of the
    database, which works at once, is made by `sluice keys create`.

    \b
    Examples:
      sluice keys new reports-nightly --tenant acme
      sluice keys new ops --admin
      sluice keys new ci --json | jq -r .key
    """
    import yaml

    from cli.printing import print_json, remark, say
    from shared.config import ConfigError, KeyKind, hash_key, parse_config
    from shared.config import new_key as made

    try:
        key = made(name, KeyKind.ADMINISTRATOR if admin else KeyKind.CALLER)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="NAME") from None
    stored = {name: {"hash": hash_key(key)}}
    text = yaml.safe_dump(
        {"administrators": stored} if admin else {"tenants": {tenant: {"keys": stored}}},
        sort_keys=False,
        allow_unicode=True,
        width=120,
    )
    try:
        parse_config(text, {}, source="--tenant")
    except ConfigError as error:
        raise typer.BadParameter(error.problems[0].message, param_hint="--tenant") from None
    if as_json:
        whose = {} if admin else {"tenant": tenant}
        print_json({"key": key, "id": name, **whose, "hash": hash_key(key), "yaml": text})
        return
    remark("The key. It is not kept anywhere, and cannot be shown again:")
    say(f"{key}\n")
    remark("For sluice.yaml:" if admin else "For sluice.yaml (models, lanes and more may stand beside the hash):")
    say(text.rstrip())
