"""A command that a document tells somebody to type can be typed."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import typer.main
import yaml
from typer.testing import CliRunner

from cli.registry import COMMANDS, application
from shared.topics import TOPICS
from tests.architecture.documents import Command, commands, documents, fenced
from tests.architecture.tree import ROOT, name_of
from tests.suites.asgi import Call
from tests.suites.ingress import memory_ingress

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def of(program: str) -> list[Command]:
    return [command for command in commands() if command.words[0].removeprefix(".venv/bin/") == program]


@pytest.fixture(scope="module")
async def served() -> set[tuple[str, str]]:
    """Method and path, `{}` for each parameter, of everything that ingress answers."""
    async with Call(memory_ingress().app, "GET", "/openapi.json") as call:
        await call.ended()
        paths = json.loads(call.received)["paths"]
    told = {(method.upper(), shape(path)) for path, operations in paths.items() for method in operations}
    return told | {("GET", "/openapi.json")}


def shape(path: str) -> str:
    return re.sub(r"\{\w+\}|\$\w+", "{}", path)


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_make_has_the_target(command: Command) -> None:
    assert set(command.words[1:]) <= TARGETS


def test_every_target_of_make_is_in_a_document() -> None:
    assert {target for command in of("make") for target in command.words[1:]} >= TARGETS - {"help"}


@pytest.mark.parametrize("command", of("sluice"), ids=str)
def test_sluice_understands_the_command(command: Command) -> None:
    leaf, rest = typer.main.get_command(application()), list(command.words[1:])
    while rest and rest[0] in getattr(leaf, "commands", {}):
        leaf = leaf.commands[rest.pop(0)]  # type: ignore[attr-defined]
    assert not (rest and not rest[0].startswith("-") and hasattr(leaf, "commands")), (
        f"there is no `sluice {' '.join(command.words[1:])}`"
    )
    if command.whole:
        leaf.make_context("sluice", rest)  # raises what its user would be told
    else:
        assert CliRunner().invoke(application(), [*command.words[1:], "--help"]).exit_code == 0


def test_every_command_of_sluice_is_in_a_document() -> None:
    assert {command.words[1] for command in of("sluice")} >= {name for name, _ in COMMANDS}


@pytest.mark.parametrize("command", of("python"), ids=str)
def test_python_has_the_module(command: Command) -> None:
    module = command.words[command.words.index("-m") + 1]

    assert importlib.util.find_spec(f"{module}.__main__")


@pytest.mark.parametrize("command", of("docker"), ids=str)
def test_compose_has_the_service(command: Command) -> None:
    after_scale = command.words[command.words.index("--scale") + 1]

    assert after_scale.partition("=")[0] in SERVICES


@pytest.mark.parametrize("command", of("kcat"), ids=str)
def test_the_topic_exists(command: Command) -> None:
    assert command.words[command.words.index("-t") + 1] in {topic.name for topic in TOPICS}


@pytest.mark.parametrize("command", of("curl"), ids=str)
def test_ingress_answers_what_curl_asks(command: Command, served: set[tuple[str, str]]) -> None:
    (url,) = (word for word in command.words if word.startswith("$SLUICE_URL"))
    sends = any(word.startswith(("-d", "--data")) for word in command.words)
    method = command.words[command.words.index("-X") + 1] if "-X" in command.words else "POST" if sends else "GET"

    assert (method, shape(url.removeprefix("$SLUICE_URL").partition("?")[0])) in served


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_ingress_answers_every_path_that_is_mentioned(document: Path, served: set[tuple[str, str]]) -> None:
    mentioned = re.findall(r"`(GET|POST) (/[\w/{}]+)`", document.read_text(encoding="utf-8"))

    assert [f"{method} {path}" for method, path in mentioned if (method, shape(path)) not in served] == []


def test_every_path_of_ingress_is_in_the_reference(served: set[tuple[str, str]]) -> None:
    told = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    named = {shape(path) for path in re.findall(r"/[\w./{}]+", told)}

    assert {path for _, path in served} - named == set()


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_python_in_a_document_is_python(document: Path) -> None:
    for code in fenced(document.read_text(encoding="utf-8"), "python"):
        compile(code, name_of(document), "exec")


@pytest.mark.parametrize("command", [each for each in commands() if each.whole], ids=str)
def test_files_that_a_command_reads_are_there(command: Command) -> None:
    named = [word.removeprefix("@") for word in command.words if re.match(r"@?(samples/|sluice\.example)", word)]

    assert [name for name in named if not (ROOT / name).exists()] == []
