"""A stack comes back on the ports it had, takes the ones it is told to, and says which one is taken."""

import socket
from pathlib import Path

import pytest

from devstack.ports import HIGHEST, HOST, LOWEST, Ports, choose, is_free
from devstack.server import ServersUnavailable


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "ports.json"


def test_free_ports_are_all_different_and_outside_the_range_of_outgoing_connections(record: Path) -> None:
    chosen = choose(Ports(), record)
    ports = {chosen.kafka, chosen.kafka_controller, chosen.valkey, chosen.postgres}
    assert len(ports) == 4
    assert all(LOWEST <= port < HIGHEST and is_free(port) for port in ports)


def test_the_ports_of_last_time_are_taken_again(record: Path) -> None:
    assert choose(Ports(), record) == choose(Ports(), record)


def test_a_port_of_last_time_that_is_taken_by_now_is_replaced(record: Path) -> None:
    before = choose(Ports(), record)
    with socket.create_server((HOST, before.valkey)):
        after = choose(Ports(), record)
    assert after.valkey != before.valkey
    assert (after.kafka, after.postgres) == (before.kafka, before.postgres)


def test_a_port_that_was_asked_for_wins(record: Path) -> None:
    before = choose(Ports(), record)
    free = next(port for port in range(LOWEST, HIGHEST) if is_free(port) and port != before.kafka)
    assert choose(Ports(kafka=free), record).kafka == free


def test_a_port_that_was_asked_for_is_not_left_to_the_server_that_had_it(record: Path) -> None:
    before = choose(Ports(), record)
    after = choose(Ports(valkey=before.kafka), record)
    assert after.valkey == before.kafka
    assert after.kafka != before.kafka


def test_a_port_that_was_asked_for_and_is_taken_is_refused_by_name(record: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServersUnavailable, match=f"Port {port}, asked for kafka, is in use"):
            choose(Ports(kafka=port), record)


def test_a_half_written_record_is_as_good_as_none(record: Path) -> None:
    record.write_text('{"kafka": 15')
    assert choose(Ports(), record) == choose(Ports(), record)
