"""Whether a provider answers at all, asked for nothing that costs."""

import asyncio
import socket

import pytest

from services.router_worker.failures import FailureKind
from services.router_worker.providers.transport import Providers
from shared.clock import utc_now
from shared.config.schema import Provider
from simulator import Config, running_simulator
from tests.suites.provider_calls import listening

PROVIDER = "sim"


async def asked(base_url: str, seconds: float = 30, **section: object) -> FailureKind | None:
    provider = Provider.model_validate({"base_url": base_url, **section})
    async with Providers({PROVIDER: provider}, utc_now) as providers:
        return await providers.probe(PROVIDER, seconds)


async def test_whoever_answers_will_do_though_it_takes_no_call_without_a_key() -> None:
    async with running_simulator(Config(api_keys=("sk-secret",))) as simulator:
        assert await asked(f"{simulator.url}/v1") is None
        assert await asked(f"{simulator.url}/v1", probe="/no/such/place", api_key="sk-secret") is None
        assert simulator.served() == [], "nothing was served that could be charged"


@pytest.mark.parametrize(("status", "kind"), [(500, FailureKind.SERVER_ERROR), (503, FailureKind.OVERLOADED)])
async def test_a_fault_of_the_server_is_no_answer(status: int, kind: FailureKind) -> None:
    async with listening(b"HTTP/1.1 %d No\r\ncontent-length: 0\r\n\r\n" % status) as place:
        assert await asked(f"http://{place}/v1") is kind


async def test_nobody_there_is_no_answer() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert await asked(f"http://127.0.0.1:{closed.getsockname()[1]}/v1") is FailureKind.CONNECT


async def test_silence_is_no_answer_and_is_not_waited_for() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with asyncio.timeout(20):
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
            assert await asked(url, seconds=1) is FailureKind.CONNECT_TIMEOUT
