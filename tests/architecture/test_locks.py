"""What is installed is what was locked: each package once, by hash, from wherever the reader's own index is."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from devstack.pin_kafka import KAFKA
from tests.architecture.tree import ROOT, name_of, tracked

LOCKS = {name_of(path): path for path in tracked() if path.suffix == ".lock"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]

each_lock = pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)


def locked(path: Path) -> list[Requirement]:
    """A requirement for each of its lines; platforms may have versions of their own."""
    lines = path.read_text().replace("\\\n", " ").splitlines()
    return [Requirement(line.partition(" --hash=")[0]) for line in lines if line.strip()]


def test_there_is_a_lock_for_users_developers_and_builders() -> None:
    assert set(LOCKS) == {"requirements.lock", "requirements-dev.lock", "deploy/build.lock"}


@each_lock
def test_every_package_has_one_version_and_hashes(lock: Path) -> None:
    lines = [line for line in lock.read_text().replace("\\\n", " ").splitlines() if line.strip()]
    hashed = re.compile(r"[\w.-]+==\S+( ;.*?)?( +--hash=sha256:[0-9a-f]{64})+ *")

    assert [line[:60] for line in lines if not hashed.fullmatch(line)] == []


@each_lock
def test_no_lock_says_where_packages_come_from(lock: Path) -> None:
    options = re.findall(r"--[\w-]+", lock.read_text())
    beside_hashes = re.sub(r"--hash=sha256:[0-9a-f]{64}", "", lock.read_text())

    assert set(options) == {"--hash"}
    assert re.findall(r"[:@].{0,40}", beside_hashes) == []


@pytest.mark.parametrize(
    ("lock", "asked"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("requirements-dev.lock", [*PROJECT["project"]["dependencies"], *EXTRAS["local"], *EXTRAS["dev"]]),
        ("deploy/build.lock", PROJECT["build-system"]["requires"]),
    ],
)
def test_the_lock_has_what_the_project_asks_for(lock: str, asked: list[str]) -> None:
    versions = {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in locked(LOCKS[lock])}
    wanted = {canonicalize_name(each.name): each.specifier for each in map(Requirement, asked)}

    assert [name for name, range_ in wanted.items() if name not in versions or versions[name] not in range_] == []


def test_developers_test_what_users_install() -> None:
    theirs, ours = (
        {str(each) for each in locked(LOCKS[name])} for name in ("requirements.lock", "requirements-dev.lock")
    )

    assert theirs <= ours


def test_every_jar_of_the_broker_has_its_hash() -> None:
    jars = (ROOT / "devstack/kafka-jars.sha256").read_text().splitlines()

    assert [line for line in jars if not re.fullmatch(r"[0-9a-f]{64}  [\w./+-]+\.jar", line)] == []
    assert any(line.endswith(f"kafka_2.13-{KAFKA.rpartition(':')[2]}.jar") for line in jars)
