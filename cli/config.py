"""`sluice config`: is the configuration right, what does it come to, and what may it say?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from cli.environment import Known
    from shared.config import Config, ConfigError

__all__ = ["config"]

config = typer.Typer(help="Check, show and describe the configuration.", no_args_is_help=True, rich_markup_mode=None)

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
