"""The walls go round everything: what import-linter and mypy are told of is all that there is."""

import tomllib

import pytest

from services.router_worker.providers.registry import DIALECTS
from tests.architecture.tree import ROOT, tracked

TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
CONTRACTS = {contract["name"]: contract for contract in TOOLS["importlinter"]["contracts"]}
CORES = CONTRACTS["deciding is not doing: the cores touch no I/O and no clock"]["source_modules"]

# What reads the code rather than runs in it.
BESIDE = {"benchmarks", "docs", "tests"}


def packages() -> set[str]:
    names = {path.relative_to(ROOT).parts[0] for path in tracked() if path.suffix == ".py"}
    return {name for name in names if (ROOT / name).is_dir()}


def test_every_package_is_inside_the_walls() -> None:
    assert set(TOOLS["importlinter"]["root_packages"]) == packages() - BESIDE


def test_every_package_is_type_checked() -> None:
    assert packages() - {"benchmarks", "tests"} <= {name.partition(".")[0] for name in TOOLS["mypy"]["packages"]}


@pytest.mark.parametrize("service", ["ingress", "router_worker", "accounting"])
def test_no_room_of_a_service_is_without_its_floor(service: str) -> None:
    contract = CONTRACTS[f"rooms of {service}"]

    assert contract["exhaustive"]
    assert contract["containers"] == [f"services.{service}"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_is_a_core(dialect: str) -> None:
    room = type(DIALECTS[dialect]).__module__

    assert any(room == core or room.startswith(f"{core}.") for core in CORES)
