"""The command line as a whole: every command is there and says enough; what goes wrong becomes a line and a code."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from cli.__main__ import main
from cli.exit_codes import ExitCode
from cli.registry import COMMANDS, application
from shared.errors import OperatorError

HEAVY = {"aiokafka", "asyncpg", "httpx", "pydantic", "rich", "sqlalchemy", "structlog", "yaml"}


def leaves(name: str, command: object) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for below, each in command.commands.items():
            yield from leaves(f"{name} {below}", each)
    else:
        assert isinstance(command, TyperCommand)
        yield name, command


ALL = dict(leaves("sluice", typer.main.get_command(application())))


def test_the_help_names_every_command_and_every_exit_code(sluice) -> None:
    told = sluice("--help")

    assert told.code == 0
    assert all(f"\n  {name} " in told.out for name, _ in COMMANDS)
    assert all(f"\n    {code.value} " in told.out for code in ExitCode)


@pytest.mark.parametrize("name", ALL)
def test_every_command_says_what_it_does_and_gives_an_example(name: str) -> None:
    told = ALL[name].help or ""

    assert told.partition("\n")[0].endswith((".", ":")) or ". " in told
    assert "Examples:" in told
    assert f"  {name}" in told


@pytest.mark.parametrize("name", ALL)
def test_every_command_speaks_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in ALL[name].params)


@pytest.mark.parametrize("name", ALL)
def test_every_option_is_explained(name: str) -> None:
    assert [each.name for each in ALL[name].params if not getattr(each, "help", None)] == []


def test_the_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom cli.registry import application\nimport typer.main\n"
        "typer.main.get_command(application())\nprint(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert HEAVY.isdisjoint(loaded)


def test_a_command_that_is_not_there_is_a_mistake_of_usage(sluice) -> None:
    told = sluice("stauts")

    assert told.code == ExitCode.USAGE
    assert "stauts" in told.err


def ended_by(error: Exception, monkeypatch: pytest.MonkeyPatch) -> object:
    def broken() -> typer.Typer:
        raise error

    monkeypatch.setattr("cli.registry.application", broken)
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


def test_what_the_operator_has_to_mend_is_told_in_lines_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ExceptionGroup(
        "tasks", [OperatorError("Kafka is away."), ExceptionGroup("in", [OperatorError("So\nis B")])]
    )

    assert ended_by(error, monkeypatch) == ExitCode.SETUP
    assert capsys.readouterr().err.splitlines() == ["sluice: Kafka is away.", "sluice: So", "sluice: is B"]


def test_a_defect_shows_its_traceback_and_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended_by(ExceptionGroup("tasks", [OperatorError("a"), KeyError("b")]), monkeypatch) == ExitCode.DEFECT
    told = capsys.readouterr().err
    assert "KeyError: 'b'" in told
    assert "a defect in Sluice" in told
