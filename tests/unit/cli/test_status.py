"""What `sluice status` tells of a stack, and what it hands to other commands."""

import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.registry import application
from cli.stack.folder import StackFolder
from cli.stack.state import Phase, ServiceState, StackState, write_state

STATE = StackState(
    pid=os.getpid(),
    version="0.1.0",
    phase=Phase.READY,
    started_at=datetime(2026, 11, 20, tzinfo=UTC),
    config=Path("sluice.yaml"),
    simulated=True,
    gateway_url="http://127.0.0.1:8080",
    api_key="slk_web_secret",
    kafka_url="127.0.0.1:9092",
    redis_url="redis://127.0.0.1:6379/0",
    postgres_url="postgresql://sluice@127.0.0.1:5432/sluice",
    namespace="sluice",
    topic_prefix="",
    greeting="",
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[StackFolder]:
    """A folder as `sluice up` leaves it while it runs: the state in a file, and the lock held."""
    folder = StackFolder(tmp_path)
    folder.owned.mkdir()
    write_state(folder, STATE)
    with folder.lock.open("w") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def told(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(application(), ["status", *arguments], env={"SLUICE_DATA": str(folder)})


def test_one_value_is_all_that_another_command_gets(running: StackFolder) -> None:
    answer = told(running.root, "--get", "kafka_url")

    assert (answer.stdout, answer.exit_code) == ("127.0.0.1:9092\n", 0)


def test_a_stack_of_which_a_part_is_away_is_not_called_ready(running: StackFolder) -> None:
    away = ServiceState(name="kafka", phase=Phase.RESTARTING, since=STATE.started_at, address="127.0.0.1:9092")
    write_state(running, STATE.model_copy(update={"services": (away,)}))

    answer = told(running.root)

    assert answer.exit_code == 1
    assert answer.stdout.startswith("Sluice 0.1.0 is up, but for kafka, at http://127.0.0.1:8080; started ")


def test_examples_are_only_what_a_shell_takes(running: StackFolder) -> None:
    write_state(running, STATE.model_copy(update={"greeting": "Sluice is ready.", "examples": "# curl\ncurl -N"}))

    assert told(running.root, "--examples").stdout == "# curl\ncurl -N\n"


def test_where_nothing_runs_another_command_gets_nothing(tmp_path: Path) -> None:
    answer = told(tmp_path, "--get", "kafka_url")

    assert (answer.stdout, answer.exit_code) == ("", 1)
    assert "Nothing runs here" in answer.stderr


def test_a_key_that_only_callers_know_is_no_empty_word(running: StackFolder) -> None:
    write_state(running, STATE.model_copy(update={"api_key": None}))

    answer = told(running.root, "--get", "api_key")

    assert answer.stdout == ""
    assert "holds hashes" in str(answer.exception)
