"""Ingress as a process that cannot start: one plain line for each thing to mend, exit code 1, and no traceback."""

import asyncio
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

GOOD = """
providers: {one: {base_url: "http://127.0.0.1:9/v1"}}
models: {gpt-4o: {deployments: [{provider: one}]}}
"""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int | None
    told: str


async def ended(config: Path | str, **env: str) -> Ended:
    """Start it and wait until it has given up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.ingress",
        env={**os.environ, "SLUICE_CONFIG": str(config), "SLUICE_INGRESS_PORT": "0", **env},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, told = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(process.returncode, told.decode())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "sluice.yaml"
    file.write_text(GOOD)
    return file


async def test_unknown_keys_and_missing_secrets_are_all_named_with_their_lines(config: Path) -> None:
    text = GOOD.replace('v1"}', 'v1", api_key: "${NOWHERE_KEY}", headers: {x-org: "${NOWHERE_ORG}"}}')
    config.write_text(f"{text}tenantz: {{}}\nlimits: {{body_byte: 5}}\n")
    found = await ended(config)
    assert found.code == 1
    lines = found.told.splitlines()
    assert all(line.startswith(f"sluice: {config}:") for line in lines)
    assert any(":4: tenantz: unknown key; did you mean `tenants`?" in line for line in lines)
    assert any(":5: limits.body_byte: unknown key; did you mean `body_bytes`?" in line for line in lines)
    assert any("providers.one.api_key: the environment variable NOWHERE_KEY is not set" in line for line in lines)
    assert any("providers.one.headers.x-org: the environment variable NOWHERE_ORG" in line for line in lines)


async def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = await ended(tmp_path / "none.yaml")
    assert found.code == 1
    assert "none.yaml: no such file" in found.told
    assert "Traceback" not in found.told


async def test_a_port_that_is_taken_is_named(config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = await ended(config, SLUICE_INGRESS_PORT=str(port))
    assert found.code == 1
    (line,) = [line for line in found.told.splitlines() if line.startswith("sluice: ")]
    assert line == f"sluice: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert "Traceback" not in found.told


async def test_a_setting_that_makes_no_sense_is_named_without_its_value(config: Path) -> None:
    found = await ended(config, SLUICE_INGRESS_PORT="a secret by mistake", SLUICE_SUBMIT_SECONDS="-1")
    assert found.code == 1
    assert "environment: SLUICE_INGRESS_PORT: " in found.told
    assert "environment: SLUICE_SUBMIT_SECONDS: " in found.told
    assert "secret by mistake" not in found.told
