"""`sluice logs`: what the services and servers of the stack have to say."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from cli.environment import Environment
    from cli.log_files import LogFile

__all__ = ["logs"]

_LOOK_SECONDS: Final = 0.2


def logs(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERVICE", help="ingress, worker-1, accounting, kafka …  [default: all of them]"),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines of each, from its end.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each line.")] = False,
) -> None:
    """Show the logs of the stack of this folder: its services, and Kafka, Valkey and PostgreSQL.

    They stay when the stack has ended. A service writes JSON to .sluice/logs/, which is told here in words; a server's
    own lines stand as they are. The log called up is that of `sluice up --detach` itself.

    \b
    Examples:
      sluice logs ingress
      sluice logs -f
      sluice logs worker-1 worker-2 --json -n 10000 | jq 'select(.level == "error")'
    """
    from cli.environment import here

    environment = here()
    wanted = tuple(dict.fromkeys(services or ()))
    _refuse_unknown(wanted, environment)
    shown = _Shown(environment.folder.logs, wanted, as_json)
    for name, file in shown.files().items():
        shown.print(name, file.last(lines))
    while follow:
        time.sleep(_LOOK_SECONDS)
        for name, file in shown.files().items():
            shown.print(name, file.added())


@dataclass(slots=True)
class _Shown:
    folder: "Path"
    wanted: tuple[str, ...]
    """None in particular: all, also those that begin later."""
    as_json: bool
    _files: "dict[str, LogFile]" = field(default_factory=dict)

    def files(self) -> "dict[str, LogFile]":
        from cli.log_files import LogFile, log_names

        for name in self.wanted or log_names(self.folder):
            if name not in self._files:
                self._files[name] = LogFile(self.folder / f"{name}.log")
        return self._files

    def print(self, name: str, lines: list[str]) -> None:
        from cli.log_lines import as_json, as_text
        from cli.printing import print_json_line, say

        # One alone needs no name before its lines.
        width = 0 if len(self.wanted) == 1 else max(map(len, self._files))
        before = f"{name:<{width}} | " if width else ""
        for line in lines:
            if self.as_json:
                print_json_line(as_json(line, name))
            else:
                say("\n".join(before + each for each in as_text(line).splitlines() or [""]))


def _refuse_unknown(wanted: tuple[str, ...], environment: "Environment") -> None:
    from cli.log_files import log_names
    from shared.errors import OperatorError

    known = log_names(environment.folder.logs)
    if not known:
        raise OperatorError(f"There are no logs in {environment.folder.logs}: nothing has run here yet.")
    elsewhere = {each.name: each.address for each in (environment.stack.services if environment.stack else ())}
    for name in wanted:
        if name in known:
            continue
        if name in elsewhere:
            raise OperatorError(f"The stack uses a {name} that it did not start; its log is at {elsewhere[name]}.")
        raise OperatorError(f"There is no log of {name!r}; there are {', '.join(known)}.")
