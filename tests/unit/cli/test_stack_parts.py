"""Parts of `sluice up` that can be told without starting anything: patience, ports, what it runs with, what it says."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.stack.folder import StackFolder
from cli.stack.ports import demand, settle
from cli.stack.quickstart import config_text, lasting_admin_key, lasting_key, simulator_text
from cli.stack.restarts import HELD_OUT_SECONDS, HOPELESS_AFTER, Patience
from cli.stack.service import Addresses, stages
from cli.stack.settling import Wishes, settled
from cli.stack.welcome import Welcome, door_examples, greeting
from shared.config import key_matches, parse_config
from shared.errors import OperatorError
from shared.topics import SUBMIT
from simulator import Script


@pytest.fixture
def wishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wishes:
    """Of somebody in an empty folder, on a free port."""
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Wishes(workers=1, port=free.getsockname()[1], config=None, simulator=True)


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    folder = StackFolder(tmp_path / ".sluice")
    folder.owned.mkdir(parents=True)
    return folder


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_told_with_the_way_out(taken: int) -> None:
    with pytest.raises(OperatorError, match=f"Port {taken} is in use: end what listens there, or choose another with"):
        demand(taken, option="--port")


def test_ports_stay_what_they_were_unless_somebody_took_them(tmp_path: Path, taken: int) -> None:
    record = tmp_path / "ports.json"
    before = settle(("a", "b"), record)
    assert settle(("a", "b"), record) == before

    record.write_text(json.dumps({**before, "a": taken}))
    after = settle(("a", "b", "c"), record)
    assert after["b"] == before["b"]
    assert taken not in after.values()
    assert len(set(after.values())) == 3


@given(st.lists(st.floats(min_value=0, max_value=HELD_OUT_SECONDS - 1), max_size=HOPELESS_AFTER - 1))
def test_a_service_that_was_never_ready_is_given_up_after_some_tries(lives: list[float]) -> None:
    patience = Patience()
    for lived in lives:
        patience.ended(lived, 1.0)
    assert not patience.is_hopeless

    while len(lives) < HOPELESS_AFTER:
        patience.ended(0.1, 1.0)
        lives.append(0.1)
    assert patience.is_hopeless


def test_a_service_that_was_ready_is_started_again_for_ever_and_ever_later() -> None:
    patience = Patience(was_ready=True)
    pauses = [patience.ended(0.1, 1.0) for _ in range(20)]

    assert not patience.is_hopeless
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 30
    assert patience.ended(HELD_OUT_SECONDS, 1.0) == pauses[0]


def test_the_generated_configuration_is_right_and_takes_the_lasting_key(folder: StackFolder) -> None:
    key = lasting_key(folder)

    config = parse_config(config_text(key, lasting_admin_key(folder), 1234), {})
    ((_, tenant),) = config.tenants.items()
    ((_, caller),) = tenant.keys.items()
    assert key_matches(key, caller.hash)
    assert SUBMIT.name in config.submit_topics
    assert lasting_key(folder) == key
    assert folder.key.stat().st_mode & 0o077 == 0


def test_the_generated_script_is_one_the_simulator_plays() -> None:
    for script in json.loads(simulator_text()).values():
        Script.model_validate(script)


def test_a_prefix_goes_before_a_bound_topic_once(folder: StackFolder, wishes: Wishes) -> None:
    assert settled(folder, wishes, {"SLUICE_TOPIC_PREFIX": "p."}).submit_topic == f"p.{SUBMIT.name}"


def test_without_a_configuration_and_without_a_simulator_nothing_starts(folder: StackFolder, wishes: Wishes) -> None:
    with pytest.raises(OperatorError, match=r"no sluice.yaml here: write one, name one with --config, or omit"):
        settled(folder, replace(wishes, simulator=False), {})


def test_what_needs_something_starts_after_it(tmp_path: Path) -> None:
    ports = {"simulator": 1, "accounting": 2, "worker-1": 3, "worker-2": 4}
    at = Addresses(tmp_path / "c.yaml", "k", "r", "p", 8080, ports)
    planned = stages(at, StackFolder(tmp_path), workers=2, simulated=True, environ={"HOME": "h"})

    names = [service.name for service in planned.all]
    assert names == ["simulator", "accounting", "worker-1", "worker-2", "ingress"]
    assert {service.environment["KAFKA_URL"] for service in planned.all[1:]} == {"k"}


WELCOME = Welcome(
    gateway_url="http://127.0.0.1:8080",
    api_key="slk_quickstart_x",
    kafka_url="127.0.0.1:9092",
    submit_topic="sluice.submit.v1",
    model="gpt-4o",
    config=Path("sluice.yaml"),
    simulated=True,
    took_seconds=1.0,
)


def test_the_greeting_has_a_line_to_paste_for_each_door() -> None:
    told = greeting(WELCOME)

    assert [title for title, _ in door_examples(WELCOME)] == [
        "curl, streaming",
        "the OpenAI SDK for Python",
        "a job by Kafka, and its result",
    ]
    assert all(example in told for _, example in door_examples(WELCOME))
    assert "slk_quickstart_x" in told


def test_the_python_to_paste_is_python() -> None:
    for _, example in door_examples(WELCOME):
        if "<<'PYTHON'\n" in example:
            compile(example.partition("<<'PYTHON'\n")[2].partition("\nPYTHON")[0], "pasted", "exec")
