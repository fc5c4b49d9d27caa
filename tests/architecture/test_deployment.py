"""What compose.yaml and the Dockerfile name exists in the code: modules, settings, ports, files, the pinned Kafka."""

import importlib.util
import re
import shlex
import tomllib
from fnmatch import fnmatch
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic_settings import BaseSettings

from devstack.pin_kafka import KAFKA
from docs.generators.environment import SETTINGS, variables_of
from tests.architecture.tree import ROOT, name_of, tracked

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = [shlex.split(line) for line in (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", "").splitlines()]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

each_of_ours = pytest.mark.parametrize("name", OURS)


def settings_of(name: str) -> type[BaseSettings]:
    return SETTINGS[name]


def port_of(name: str) -> int:
    (port,) = (
        field.default
        for field in settings_of(name).model_fields.values()
        if str(field.validation_alias).endswith("_PORT")
    )
    return port


def test_every_service_of_the_code_is_deployed() -> None:
    assert set(OURS) == set(SETTINGS)


@each_of_ours
def test_it_starts_a_module_that_exists(name: str) -> None:
    python, option, module = OURS[name]["command"]

    assert (python, option, module) == ("python", "-m", f"services.{name}")
    assert importlib.util.find_spec(f"{module}.__main__")


def test_every_variable_is_one_that_a_service_reads() -> None:
    known = frozenset[str]().union(*map(variables_of, SETTINGS.values()))

    assert {variable for service in OURS.values() for variable in service["environment"]} <= known


@each_of_ours
def test_its_address_of_the_servers_are_services_of_the_file(name: str) -> None:
    environment = OURS[name]["environment"]
    urls = (environment[variable] for variable in ("KAFKA_URL", "REDIS_URL", "POSTGRES_URL"))
    hosts = {urlsplit(url if "//" in url else f"//{url}").hostname for url in urls}

    assert hosts == {"kafka", "valkey", "postgres"} == set(OURS[name]["depends_on"])
    assert hosts <= set(SERVICES)


@each_of_ours
def test_it_is_asked_for_its_health_where_it_answers(name: str) -> None:
    assert f"http://127.0.0.1:{port_of(name)}/livez" in " ".join(OURS[name]["healthcheck"]["test"])


def test_published_ports_are_those_of_ingress() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {"ingress": [f"{port_of('ingress')}:{port_of('ingress')}"]}


@each_of_ours
def test_it_is_given_longer_to_stop_than_it_takes(name: str) -> None:
    drain = settings_of(name).model_fields.get("drain_seconds")

    assert int(OURS[name]["stop_grace_period"].removesuffix("s")) > (drain.default if drain else 0)


def test_the_broker_is_the_version_that_the_tests_run_on() -> None:
    assert SERVICES["kafka"]["image"].endswith(f":{KAFKA.rpartition(':')[2]}")


def test_every_volume_is_declared_and_used() -> None:
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}

    assert {volume for volume in mounted if not volume.startswith(".")} == set(COMPOSE["volumes"])


@each_of_ours
def test_blobs_are_where_all_of_them_look(name: str) -> None:
    folder = OURS[name]["environment"]["SLUICE_BLOBS_URL"]

    assert f"blobs:{folder}" in OURS[name]["volumes"]
    assert any(folder in words for words in DOCKERFILE)


def test_every_image_says_its_version() -> None:
    images = [service["image"] for service in SERVICES.values() if "image" in service]
    images += [words[1] for words in DOCKERFILE if words[:1] == ["FROM"]]

    assert all(re.search(r":[\w.-]*\d", image) for image in images)


def test_the_image_gets_files_that_exist_and_that_are_not_ignored() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    copied = [
        name for words in DOCKERFILE if words[:1] == ["COPY"] and "--from=build" not in words for name in words[1:-1]
    ]

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert [name for name in copied if any(fnmatch(name, pattern) for pattern in ignored)] == []


def test_the_image_gets_every_package() -> None:
    copied = {words[1] for words in DOCKERFILE if words[:1] == ["COPY"]}

    assert copied >= set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def test_no_secret_is_tracked() -> None:
    assert [name_of(path) for path in tracked() if path.name in (".env", "sluice.yaml")] == []
