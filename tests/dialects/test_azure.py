"""Where Azure is called, and how a call to it proves who we are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from services.router_worker.events import Failed, Finished
from services.router_worker.failures import FailureKind
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.dialects.azure import Azure
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Timeouts
from simulator import Config, running_simulator
from tests.dialects.test_openai_request import a_job
from tests.suites.provider_calls import a_job as a_call
from tests.suites.provider_calls import called, connected, name_of

CANDIDATE = Candidate("a/prod gpt", "a", "prod gpt", "gpt-4o", Timeouts())


def encoded(**section: object) -> HttpCall:
    provider = {"dialect": "azure", "base_url": "https://mine.openai.azure.com", "api_key": "k", **section}
    call = Azure().encode(a_job({}), CANDIDATE, Provider.model_validate(provider), None)
    assert isinstance(call, HttpCall)
    return call


def test_the_address_names_the_deployment_and_the_version() -> None:
    assert encoded(api_version="2025-04-01-preview").url == (
        "https://mine.openai.azure.com/openai/deployments/prod%20gpt/chat/completions?api-version=2025-04-01-preview"
    )
    assert encoded().url.endswith("?api-version=2024-10-21")


def test_a_key_stands_alone_in_its_header() -> None:
    headers = encoded().headers
    assert headers["api-key"] == "k"
    assert "authorization" not in headers


async def test_what_the_filter_thought_of_prompt_and_answer_reaches_the_caller() -> None:
    async with running_simulator(Config()) as sim, connected(sim.url, dialect="azure") as providers:
        first, *_ = await called(providers, "tokens=2")
        answered, *_ = await called(providers, "tokens=2", job=a_call(streamed=False))
    assert orjson.loads(first.data)["prompt_filter_results"][0]["prompt_index"] == 0
    assert answered.response["prompt_filter_results"][0]["prompt_index"] == 0
    assert answered.response["choices"][0]["content_filter_results"]["hate"]["severity"] == "safe"


@asynccontextmanager
async def identity_of_a_machine(body: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """As App Service offers it to what runs there: learn.microsoft.com/azure/app-service/overview-managed-identity."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        status = b"200 OK" if body else b"400 Bad Request"
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        writer.write(head % (status, len(body)) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/msi/token", asked


async def test_a_token_of_the_machines_identity_is_fetched_once_and_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    token = orjson.dumps(
        {"access_token": "entra-token", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"}
    )
    async with (
        identity_of_a_machine(token) as (url, asked),
        running_simulator(Config(api_keys=("entra-token",))) as sim,
    ):
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
        monkeypatch.setenv("IDENTITY_HEADER", "machine-secret")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        async with connected(sim.url, dialect="azure", auth="entra", api_key=None) as providers:
            for _ in range(2):
                job = a_call()
                assert isinstance((await called(providers, "tokens=1", job=job))[-1], Finished)
    request = sim.request(name_of(job))
    assert request is not None
    assert request.header(b"authorization") == "Bearer entra-token"
    assert request.header(b"api-key") is None
    assert len(asked) == 1
    assert b"resource=https://cognitiveservices.azure.com" in asked[0]


async def test_without_a_token_nothing_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    async with identity_of_a_machine(b"") as (url, _), running_simulator(Config()) as sim:
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
        monkeypatch.setenv("IDENTITY_HEADER", "machine-secret")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        async with connected(sim.url, dialect="azure", auth="entra", api_key=None) as providers:
            (ending,) = await called(providers, "tokens=1")
        assert not sim.served()
    assert isinstance(ending, Failed)
    assert ending.failure.kind is FailureKind.AUTH
    assert "machine-secret" not in ending.failure.message
