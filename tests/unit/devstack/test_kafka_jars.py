"""Only the pinned jars are ever used, and once they are here nobody asks the network."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.kafka_jars import Pin, kafka_jars, pins
from devstack.server import ServersUnavailable

CONTENT = b"a jar"
PIN = Pin("org/example/thing/1.2/thing-1.2.jar", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    return


def place(cache: Path, content: bytes) -> Path:
    jar = cache / "kafka-jars" / PIN.path
    jar.parent.mkdir(parents=True)
    jar.write_bytes(content)
    return jar


def test_a_pinned_path_names_group_artifact_and_version() -> None:
    assert PIN.coordinate == ("org.example", "thing", "1.2")


def test_the_broker_and_its_log_binding_are_pinned() -> None:
    names = {pin.coordinate[1] for pin in pins()}
    assert {"kafka_2.13", "kafka-server", "log4j-slf4j-impl", "log4j-core"} <= names
    assert len(names) == len(pins())


def test_a_genuine_jar_is_taken_without_the_network(tmp_path: Path) -> None:
    jar = place(tmp_path, CONTENT)
    said: list[str] = []
    assert kafka_jars(tmp_path, said.append, [PIN]) == [jar]
    assert said == []


@pytest.mark.parametrize("present", [None, b"", CONTENT + b"!"], ids=["missing", "empty", "altered"])
def test_without_the_network_anything_but_the_pinned_jar_is_refused_in_one_sentence(
    tmp_path: Path, present: bytes | None
) -> None:
    if present is not None:
        place(tmp_path, present)
    with pytest.raises(ServersUnavailable, match=r"^Kafka's jars are not here yet and cannot be downloaded .*\.$"):
        kafka_jars(tmp_path, lambda _: None, [PIN])
