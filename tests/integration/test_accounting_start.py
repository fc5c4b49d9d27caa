"""Accounting before it is ready."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from services.accounting.settings import Settings
from services.accounting.wiring import wire
from shared.config import Config
from shared.lifecycle import Stopping


async def test_while_it_waits_for_its_first_server_it_is_alive_and_says_what_for(free_port: Callable[[], int]) -> None:
    port, stop = free_port(), asyncio.Event()
    nowhere = {"postgres_url": "postgresql://nobody@127.0.0.1:1/nothing", "kafka_url": "127.0.0.1:1"}
    settings = Settings.model_validate(nowhere | {"probe_host": "127.0.0.1", "probe_port": port})

    async def wait_in_vain() -> None:
        async with wire(settings, Config(), stop):
            raise AssertionError("there is no such server")

    waiting = asyncio.create_task(wait_in_vain())
    async with asyncio.timeout(20), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        while "postgres" not in await _missing(client):
            await asyncio.sleep(0.02)
        assert (await client.get("/livez")).status_code == 200
    stop.set()
    with pytest.raises(Stopping):
        await waiting


async def _missing(client: httpx.AsyncClient) -> dict[str, str]:
    try:
        return (await client.get("/readyz")).json()["missing"]
    except httpx.TransportError:
        return {}
