from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from simulator import Script
from tests.suites.platform import Platform, Servers, running_platform

StartPlatform = Callable[..., AbstractAsyncContextManager[Platform]]


@pytest.fixture
def start_platform(
    kafka_url: str, redis_url: str, database: str, tmp_path: Path, fresh_name: Callable[[str], str]
) -> StartPlatform:
    """`start_platform({"gpt-4o": {"tokens": 30}}, timeouts={...})`: scripts by model, then sections of the config."""
    servers = Servers(kafka_url, redis_url, database)

    def start(scripts: dict[str, dict[str, object]], **sections: object) -> AbstractAsyncContextManager[Platform]:
        played = {model: Script.model_validate(script) for model, script in scripts.items()}
        return running_platform(servers, tmp_path, fresh_name("e2e"), played, **sections)

    return start


@pytest.fixture
async def client_of() -> AsyncIterator[Callable[[str, str], AsyncOpenAI]]:
    clients: list[AsyncOpenAI] = []

    def make(url: str, key: str) -> AsyncOpenAI:
        clients.append(AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()
