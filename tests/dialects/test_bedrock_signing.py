"""How a call to Bedrock proves who we are: by a signature that holds on the wire, with keys that are there in time."""

import asyncio
import logging
import subprocess
import sys
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, DeferredRefreshableCredentials
from botocore.exceptions import EndpointConnectionError

from services.router_worker.events import Failed, Finished
from services.router_worker.failures import FailureKind
from services.router_worker.providers.aws import AwsSignatures, aws_signatures
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.signing import NoCredentialsError
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from simulator import Config, running_simulator
from simulator.exchange import Request
from tests.suites.provider_calls import PATIENT, a_job, called, connected, name_of

KEYS = "AKIAOURS:secret:session-token"
CALL = HttpCall("https://b.test/model/m/converse", {"content-type": "application/json"}, b"{}")


def signature_of(request: Request, host: str) -> str:
    """What AWS computes: from the path as it came, which is encoded once more."""
    canonical = AWSRequest(request.method, f"http://{host}{request.path}", data=request.body)
    for name in ("content-type", "x-amz-date", "x-amz-security-token"):
        canonical.headers[name] = request.header(name.encode())
    canonical.context["timestamp"] = request.header(b"x-amz-date")
    signer = SigV4Auth(Credentials(*KEYS.split(":")), "bedrock", "eu-west-1")
    text = signer.string_to_sign(canonical, signer.canonical_request(canonical))
    return str(signer.signature(text, canonical))


@pytest.mark.parametrize(
    "model", ["anthropic.claude-v2:1", "arn:aws:bedrock:eu-west-1:1:inference-profile/x", "é +%2F"]
)
async def test_the_signature_holds_for_what_is_on_the_wire(model: str) -> None:
    section = {"dialect": "bedrock", "auth": "aws", "aws_region": "eu-west-1", "api_key": KEYS}
    async with running_simulator(Config(api_keys=("AKIAOURS",))) as sim, connected(sim.url, **section) as providers:
        job = a_job()
        candidate = Candidate("p/m", "p", f"{model};tokens=1", "m", PATIENT)
        async with aclosing(providers.attempt(job, candidate, name_of(job), None, job.deadline)) as events:
            assert isinstance([event async for event in events][-1], Finished)
    request = sim.request(name_of(job))
    assert request is not None
    said = request.header(b"authorization") or ""
    assert said.startswith("AWS4-HMAC-SHA256 Credential=AKIAOURS/")
    assert "/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in said
    assert said.endswith(f"Signature={signature_of(request, request.header(b'host') or '')}")


def signatures(**section: Any) -> AwsSignatures:
    return aws_signatures(Provider.model_validate({"dialect": "bedrock", "auth": "aws", **section}))


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A machine on which AWS's own settings are not to be found."""
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    "host",
    [
        "bedrock-runtime.us-gov-west-1.amazonaws.com",
        "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
        "vpce-0a1b.bedrock-runtime.us-gov-west-1.vpce.amazonaws.com",
    ],
)
async def test_the_region_stands_in_the_address(host: str) -> None:
    signed = await signatures(base_url=f"https://{host}", api_key="A:s").sign(CALL)
    assert "/us-gov-west-1/bedrock/" in signed.headers["authorization"]


@pytest.mark.usefixtures("nobody")
async def test_keys_and_region_of_the_environment_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    signed = await signatures(base_url="https://b.test").sign(CALL)
    assert "Credential=AKIAENV/" in signed.headers["authorization"]
    assert "/eu-north-1/" in signed.headers["authorization"]


async def test_what_is_signed_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await signatures(base_url="https://b.test", aws_region="eu-west-1", api_key=KEYS).sign(CALL)
    assert "session-token" not in caplog.text


def test_without_a_provider_that_needs_it_botocore_is_not_imported() -> None:
    code = "import sys, services.router_worker.providers.transport; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


WITHOUT_BOTOCORE = """
import sys
sys.modules["botocore"] = None
from services.router_worker.providers.aws import aws_signatures
from services.router_worker.providers.dialects.bedrock import Bedrock
from services.router_worker.providers.signing import NoCredentialsError
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Timeouts
from tests.suites.provider_calls import a_job

provider = Provider.model_validate({"base_url": "https://b.test", "api_key": "k"})
for streamed in (True, False):
    print(Bedrock().encode(a_job(streamed=streamed), Candidate("b/m", "b", "m", "m", Timeouts()), provider, None))
try:
    aws_signatures(provider)
except NoCredentialsError as error:
    print(error)
"""


def test_without_botocore_streams_and_signatures_are_told_to_need_it() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_BOTOCORE], timeout=60, check=True, capture_output=True, text=True
    )
    streamed, whole, signed = run.stdout.splitlines()
    assert streamed == "'stream' needs botocore: install `sluice[bedrock]`"
    assert "/model/m/converse" in whole
    assert "install `sluice[bedrock]`" in signed


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    "section",
    [{"api_key": "A:s"}, {"aws_region": "eu-west-1", "api_key": "A"}, {"aws_region": "eu-west-1", "api_key": ":s"}],
)
def test_what_cannot_sign_is_told_when_it_is_made(section: dict[str, Any]) -> None:
    with pytest.raises(NoCredentialsError):
        signatures(base_url="https://b.test", **section)


@pytest.mark.usefixtures("nobody")
async def test_without_keys_nothing_is_called() -> None:
    section = {"dialect": "bedrock", "auth": "aws", "aws_region": "eu-west-1", "api_key": None}
    async with running_simulator(Config()) as sim, connected(sim.url, **section) as providers:
        (ending,) = await called(providers, "tokens=1")
        assert not sim.served()
    assert isinstance(ending, Failed)
    assert ending.failure.kind is FailureKind.AUTH


class TokenService:
    """Gives keys that last for `minutes`; while it is `away` it gives none."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self.given = 0
        self.away = False

    def give(self) -> dict[str, str]:
        if self.away:
            raise EndpointConnectionError(endpoint_url="https://sts.test")
        self.given += 1
        until = datetime.now(UTC) + timedelta(minutes=self.minutes)
        return {"access_key": f"AKIA{self.given}", "secret_key": "s", "token": "t", "expiry_time": until.isoformat()}

    def credentials(self) -> Any:
        return DeferredRefreshableCredentials(self.give, "test")


def who_signed(call: HttpCall) -> str:
    return call.headers["authorization"].partition("Credential=")[2].partition("/")[0]


async def test_keys_that_last_are_fetched_once_however_many_ask() -> None:
    service = TokenService(minutes=60)
    signer = AwsSignatures("eu-west-1", service.credentials)
    calls = await asyncio.gather(*(signer.sign(CALL) for _ in range(5)))
    assert {who_signed(call) for call in calls} == {"AKIA1"}


async def test_keys_that_end_soon_are_renewed() -> None:
    service = TokenService(minutes=4)
    signer = AwsSignatures("eu-west-1", service.credentials)
    assert [who_signed(await signer.sign(CALL)) for _ in range(2)] == ["AKIA1", "AKIA2"]


async def test_while_the_token_service_is_away_the_old_keys_serve() -> None:
    service = TokenService(minutes=4)
    signer = AwsSignatures("eu-west-1", service.credentials)
    await signer.sign(CALL)
    service.away = True
    assert who_signed(await signer.sign(CALL)) == "AKIA1"


async def test_a_token_service_that_is_away_is_a_matter_of_time() -> None:
    service = TokenService(minutes=60)
    service.away = True
    with pytest.raises(NoCredentialsError) as told:
        await AwsSignatures("eu-west-1", service.credentials).sign(CALL)
    assert told.value.kind is FailureKind.CONNECT
