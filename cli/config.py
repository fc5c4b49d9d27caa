"""`sluice config`: how does one get a configuration, is it right, what does it come to, and what may it say?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from cli.environment import Known
    from shared.config import Config, ConfigError

__all__ = ["config"]

config = typer.Typer(
    help="Make, check, show and describe the configuration.", no_args_is_help=True, rich_markup_mode=None
)

importing = typer.Typer(
    help="Turn another gateway's configuration into one of Sluice.", no_args_is_help=True, rich_markup_mode=None
)
config.add_typer(importing, name="import")


@importing.callback()
def _of_others() -> None:
    pass


ConfigFile = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="[default: $SLUICE_CONFIG, else ./sluice.yaml, else the running stack's]"),
]


@config.command()
def validate(
    file: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="The problems as one JSON object.")] = False,
) -> None:
    """Check a configuration: each problem is told with its line, its path and what is allowed there.

    The environment variables that it names must be set, as they must be when it is used. Exit code 1 when it is not
    right.

    \b
    Examples:
      sluice config validate
      OPENAI_API_KEY=- sluice config validate deploy/sluice.yaml
      sluice config validate --json | jq -r '.problems[].path'
    """
    from cli.printing import complain, print_json, say
    from shared.config import ConfigError

    source = _source(file)
    try:
        found = _loaded(source)
    except ConfigError as error:
        if as_json:
            print_json(_told(source, error))
        else:
            complain(str(error))
        raise typer.Exit(ExitCode.SETUP) from None
    if as_json:
        print_json({"source": source.value, "chosen_by": source.source, "valid": True, "problems": []})
    else:
        say(f"{source.value} is right: {_summary(found)}.")


@config.command()
def show(
    file: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Show what a configuration comes to: variables put in, every default written out, every secret masked.

    It is YAML again, under a comment that says which file it is and why this one.

    \b
    Examples:
      sluice config show
      sluice config show --json | jq .timeouts
    """
    from cli.printing import print_json, say
    from shared.config import shown

    source = _source(file)
    text = shown(_loaded(source))
    if as_json:
        import yaml

        print_json({"source": source.value, "chosen_by": source.source, "config": yaml.safe_load(text)})
    else:
        say(f"# {source.value}, by {source.source}. Secrets are masked, defaults written out.\n{text}".rstrip())


@config.command()
def schema(
    as_json: Annotated[bool, typer.Option("--json", help="Accepted, and without effect: it is JSON.")] = False,  # noqa: ARG001
) -> None:
    """Print the JSON Schema of the configuration, for editors.

    \b
    Examples:
      sluice config schema > sluice.schema.json
      # and in sluice.yaml:   # yaml-language-server: $schema=./sluice.schema.json
    """
    from cli.printing import print_json
    from shared.config import json_schema

    print_json(json_schema())


@config.command()
def generate(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to write it [default: stdout]", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The key, the accounts and the YAML as one object.")] = False,
) -> None:
    """Write a configuration to begin with, from the provider keys in the environment. No provider's key stands in it.

    It has comments, an account for each provider whose key is found, some of its models, and a new key for callers,
    which is shown once. A file that is there already is left alone.

    \b
    Examples:
      sluice config generate sluice.yaml
      OPENAI_API_KEY=sk-… sluice config generate > sluice.yaml
    """
    import os

    from cli.configuring.starter import accounts_in, starter
    from cli.printing import complain, print_json, remark, say
    from shared.config import hash_key, new_key

    key = new_key("starter")
    text = starter(os.environ, hash_key(key))
    found = [{"provider": account.name, "variable": variable} for account, variable in accounts_in(os.environ)]
    if file is not None:
        try:
            with file.open("x", encoding="utf-8") as out:
                out.write(text)
        except OSError as error:
            complain(f"{file} cannot be written: {error.strerror}.")
            raise typer.Exit(ExitCode.SETUP) from None
    if as_json:
        print_json({"key": key, "accounts": found, "yaml": text, "file": str(file) if file else None})
        return
    if file is None:
        say(text.rstrip())
    names = ", ".join(f"{each['provider']} (by {each['variable']})" for each in found)
    remark(f"Accounts: {names or 'none, for no key of a known provider is in the environment'}.")
    remark(f"The key for callers, shown only now: {key}")


@importing.command("litellm")
def import_litellm(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Its config.yaml.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="YAML and what is not in it, as one JSON object.")] = False,
) -> None:
    """Turn the configuration of a LiteLLM proxy into one of Sluice, and list what could not be translated.

    Its `model_list` becomes providers, models and prices, its `router_settings` strategies, fallbacks and patience.
    What has no counterpart is told, on stderr and as comments above the result. Keys are never copied: variables take
    their places. Callers, who are not in such a file, come from `sluice keys new`.

    \b
    Examples:
      sluice config import litellm config.yaml > sluice.yaml
      sluice config import litellm config.yaml --json | jq -r '.untranslated[]'
    """
    from cli.configuring.imported import imported
    from cli.printing import print_json, remark, say

    made = imported(file)
    if as_json:
        print_json({"yaml": made.text, "untranslated": made.untranslated, "variables": made.variables})
        return
    say(made.text.rstrip())
    for sentence in made.untranslated:
        remark(sentence)
    remark(f"Set {', '.join(made.variables)}." if made.variables else "It names no variable.")


def _source(file: Path | None) -> "Known":
    from cli.environment import Known, here

    return Known(str(file), "the command line") if file else here().config_source


def _loaded(source: "Known") -> "Config":
    import os

    from services.router_worker.providers.known import KNOWN
    from shared.config import load_config

    return load_config(Path(source.value), os.environ, KNOWN)


def _told(source: "Known", error: "ConfigError") -> dict[str, object]:
    problems = [{"path": each.path, "line": each.line, "message": each.message} for each in error.problems]
    return {"source": source.value, "chosen_by": source.source, "valid": False, "problems": problems}


def _summary(found: "Config") -> str:
    """What one would notice to be missing."""
    counts = {
        "tenant": len(found.tenants),
        "key": sum(len(tenant.keys) for tenant in found.tenants.values()),
        "submit topic": len(found.submit_topics),
        "provider": len(found.providers),
        "model": len(found.models),
        "deployment": sum(len(model.deployments) for model in found.models.values()),
        "price": len(found.prices),
    }
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())
