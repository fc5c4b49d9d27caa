"""Where commands look: a variable says it, else the stack that runs here, else the default."""

import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.environment import discover
from cli.stack.folder import StackFolder, find_folder, own_folder
from cli.stack.state import Phase, StackState, owner, refuse_if_running, running_stack_state, write_state
from shared.errors import OperatorError


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    """As an `up` that has ended leaves it."""
    folder = StackFolder(tmp_path / ".sluice")
    folder.owned.mkdir(parents=True)
    folder.lock.write_text(str(os.getpid()))
    state = StackState(
        pid=os.getpid(),
        version="0.1.0",
        phase=Phase.READY,
        started_at=datetime(2026, 11, 20, tzinfo=UTC),
        config=tmp_path / ".sluice" / "sluice.yaml",
        simulated=True,
        gateway_url="http://127.0.0.1:9999",
        api_key="slk_of_stack",
        kafka_url="127.0.0.1:1",
        redis_url="redis://127.0.0.1:2/0",
        postgres_url="postgresql://u:p@127.0.0.1:3/sluice",
        namespace="theirs",
        topic_prefix="p.",
        greeting="",
    )
    write_state(folder, state)
    return folder


@pytest.fixture
def running(folder: StackFolder) -> Iterator[StackFolder]:
    with folder.lock.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def test_a_running_stack_says_where_everything_is(running: StackFolder, tmp_path: Path) -> None:
    found = discover({}, tmp_path)

    assert (found.gateway.value, found.gateway.source) == ("http://127.0.0.1:9999", f"the stack in {running.root}")
    assert found.key is not None
    assert found.key.value == "slk_of_stack"
    assert (found.namespace, found.topic_prefix) == ("theirs", "p.")
    assert found.config == running.config


def test_a_variable_goes_before_the_stack(running: StackFolder, tmp_path: Path) -> None:
    found = discover({"KAFKA_URL": "kafka:9092", "SLUICE_TOPIC_PREFIX": "q."}, tmp_path)

    assert (found.kafka.value, found.kafka.source) == ("kafka:9092", "KAFKA_URL")
    assert found.topic_prefix == "q."
    assert found.redis.value == "redis://127.0.0.1:2/0"


@pytest.mark.parametrize("url", ["http://a:1", "http://a:1/", "http://a:1/v1", "http://a:1/v1/"])
def test_the_base_url_of_an_openai_client_names_its_gateway(tmp_path: Path, url: str) -> None:
    assert discover({"SLUICE_URL": url}, tmp_path).gateway.value == "http://a:1"


def test_a_file_in_the_place_of_the_folder_is_no_stack(tmp_path: Path) -> None:
    (tmp_path / ".sluice").touch()

    assert discover({}, tmp_path).stack is None


def test_a_stack_that_has_ended_says_nothing(folder: StackFolder, tmp_path: Path) -> None:
    found = discover({}, tmp_path)

    assert (found.gateway.value, found.gateway.source) == ("http://127.0.0.1:8080", "the default")
    assert (found.stack, found.key) == (None, None)
    assert str(found.config) == "sluice.yaml"


def test_a_configuration_of_ones_own_goes_before_the_generated_one(running: StackFolder, tmp_path: Path) -> None:
    (tmp_path / "sluice.yaml").touch()

    assert str(discover({}, tmp_path).config) == "sluice.yaml"


def test_a_stack_is_found_from_further_down_but_begun_right_here(folder: StackFolder, tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    assert find_folder({}, below) == folder
    assert own_folder({}, below).root == below / ".sluice"
    assert find_folder({"SLUICE_DATA": "other"}, below).root == below / "other"


def test_a_lock_left_by_a_dead_process_does_not_count(folder: StackFolder) -> None:
    assert owner(folder) is None
    refuse_if_running(folder)


def test_two_stacks_do_not_run_in_one_folder(running: StackFolder) -> None:
    with pytest.raises(OperatorError, match=rf"up in this folder already \(pid {os.getpid()}\)"):
        refuse_if_running(running)


def test_a_state_of_another_version_is_told_as_that(running: StackFolder) -> None:
    running.state.write_text("{}")

    with pytest.raises(OperatorError, match="written by another version of Sluice"):
        running_stack_state(running)
    running.state.unlink()
    assert running_stack_state(running) is None


def test_the_state_is_for_its_owner_alone(folder: StackFolder) -> None:
    assert folder.state.stat().st_mode & 0o077 == 0
