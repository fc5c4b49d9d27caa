"""Where Gemini is called on Vertex AI, how its texts are embedded, and how a call to it proves who we are."""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.router_worker.events import Failed, Finished
from services.router_worker.failures import FailureKind
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.dialects.vertex import Vertex
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Timeouts
from shared.contracts import Endpoint
from simulator import Config, running_simulator
from tests.dialects.test_openai_request import a_job
from tests.suites.provider_calls import a_job as a_call
from tests.suites.provider_calls import called, connected, name_of

PLACE = "/v1/projects/blue/locations/europe-west1"


def encoded(body: dict[str, Any], model: str, endpoint: Endpoint = Endpoint.CHAT) -> HttpCall:
    provider = Provider.model_validate({"dialect": "vertex", "base_url": f"https://vertex.test{PLACE}"})
    job = a_job(body).model_copy(update={"endpoint": endpoint})
    if endpoint is Endpoint.EMBEDDINGS:
        job.body.pop("messages")
    call = Vertex().encode(job, Candidate("v/m", "v", model, "m", Timeouts()), provider, None)
    assert isinstance(call, HttpCall)
    return call


@pytest.mark.parametrize(
    ("model", "path"),
    [("gemini-2.5-pro", "publishers/google/models/gemini-2.5-pro"), ("endpoints/123", "endpoints/123")],
)
def test_the_address_names_project_region_and_model(model: str, path: str) -> None:
    assert encoded({}, model).url == f"https://vertex.test{PLACE}/{path}:streamGenerateContent?alt=sse"


def test_a_gemini_embeds_in_a_batch_and_others_predict() -> None:
    wanted = {"input": ["a", "b"], "dimensions": 8, "task_type": "RETRIEVAL_QUERY"}
    batch = encoded(wanted, "gemini-embedding-001", Endpoint.EMBEDDINGS)
    prediction = encoded(wanted, "text-embedding-005", Endpoint.EMBEDDINGS)
    assert batch.url.endswith(":batchEmbedContents")
    config = {"outputDimensionality": 8, "taskType": "RETRIEVAL_QUERY"}
    assert orjson.loads(batch.body)["requests"][1] == {
        "content": {"parts": [{"text": "b"}]},
        "embedContentConfig": config,
    }
    assert prediction.url.endswith("/publishers/google/models/text-embedding-005:predict")
    assert orjson.loads(prediction.body) == {
        "instances": [
            {"content": "a", "task_type": "RETRIEVAL_QUERY"},
            {"content": "b", "task_type": "RETRIEVAL_QUERY"},
        ],
        "parameters": {"outputDimensionality": 8},
    }


@asynccontextmanager
async def token_service(body: bytes) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Takes the signed claims of a service account: developers.google.com/identity/protocols/oauth2/service-account."""
    asked: list[dict[str, Any]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2]) for line in head.splitlines() if line.lower().startswith(b"content-l")
        )
        form = parse_qs((await reader.readexactly(length)).decode())
        claims = form["assertion"][0].split(".")[1]
        asked.append(orjson.loads(urlsafe_b64decode(claims + "==")))
        status = b"200 OK" if body else b"401 Unauthorized"
        written = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        writer.write(written % (status, len(body)) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token", asked


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def described(token_uri: str) -> None:
        file = tmp_path / "account.json"
        who = {"client_email": "gateway@blue.test", "private_key_id": "1", "private_key": pem, "project_id": "blue"}
        file.write_bytes(orjson.dumps({"type": "service_account", "token_uri": token_uri, **who}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    return described


async def test_a_token_of_a_service_account_is_fetched_once_and_sent(account: Any) -> None:
    token = orjson.dumps({"access_token": "google-token", "expires_in": 3600, "token_type": "Bearer"})
    async with token_service(token) as (url, asked), running_simulator(Config(api_keys=("google-token",))) as sim:
        account(url)
        async with connected(sim.url + PLACE, dialect="vertex", auth="google", api_key=None) as providers:
            for _ in range(2):
                job = a_call()
                assert isinstance((await called(providers, "tokens=1", job=job))[-1], Finished)
    request = sim.request(name_of(job))
    assert request is not None
    assert request.header(b"authorization") == "Bearer google-token"
    assert request.header(b"x-goog-api-key") is None
    (claims,) = asked
    assert claims["iss"] == "gateway@blue.test"
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"


@pytest.mark.parametrize("away", [False, True])
async def test_without_a_token_nothing_is_called(account: Any, away: bool) -> None:
    async with token_service(b"") as (url, _), running_simulator(Config()) as sim:
        account("http://127.0.0.1:1/token" if away else url)
        async with connected(sim.url + PLACE, dialect="vertex", auth="google", api_key=None) as providers:
            (ending,) = await called(providers, "tokens=1")
        assert not sim.served()
    assert isinstance(ending, Failed)
    assert ending.failure.kind is (FailureKind.CONNECT if away else FailureKind.AUTH)
    assert "gateway@blue.test" not in ending.failure.message
