"""Every command of `sluice`, in the order of its help. A new command is a file in this folder and one line here.

A command's file imports what it needs inside its function, so that `sluice --help` stays quick.
"""

from collections.abc import Callable

import typer

from cli import (
    audit,
    budgets,
    config,
    cost,
    dead_letters,
    demo,
    down,
    export,
    follow,
    health,
    jobs,
    keys,
    logs,
    results,
    route,
    status,
    submit,
    teams,
    tenants,
    topics,
    up,
    usage,
)
from cli.exit_codes import MEANINGS
from cli.variables import VARIABLES

__all__ = ["COMMANDS", "application"]

COMMANDS: tuple[tuple[str, typer.Typer | Callable[..., None]], ...] = (
    ("up", up.up),
    ("down", down.down),
    ("status", status.status),
    ("health", health.health),
    ("logs", logs.logs),
    ("demo", demo.demo),
    ("follow", follow.follow),
    ("submit", submit.submit),
    ("results", results.results),
    ("jobs", jobs.jobs),
    ("route", route.route),
    ("usage", usage.usage),
    ("cost", cost.cost),
    ("budgets", budgets.budgets),
    ("export", export.export),
    ("topics", topics.topics),
    ("dead-letters", dead_letters.dead_letters),
    ("config", config.config),
    ("tenants", tenants.tenants),
    ("teams", teams.teams),
    ("keys", keys.keys),
    ("audit", audit.audit),
)


_HELP = """Sluice, a durable LLM gateway on Kafka.

`sluice up` starts everything on this machine; the other commands find that stack by themselves."""


def application() -> typer.Typer:
    # Without rich: its help costs 0.2 s, and its boxes cannot be pasted.
    app = typer.Typer(
        name="sluice",
        help=_HELP,
        epilog=_epilog(),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    for name, command in COMMANDS:
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _root() -> None:
    pass


def _epilog() -> str:
    """Blocks that begin with \\b are printed as they stand."""
    codes = "\n".join(f"  {code.value:<5}{meaning}" for code, meaning in MEANINGS.items())
    variables = "\n".join(f"  {name:<18}{meaning}" for name, meaning in VARIABLES.items())
    return f"\b\nEnvironment, before what the running stack says:\n{variables}\n\n\b\nExit codes:\n{codes}"
