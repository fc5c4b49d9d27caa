"""What is no answer of a provider at all: a failure of its kind, whose beginning is for the log, without secrets."""

import gzip
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from services.router_worker.events import Answered, Failed, Finished
from services.router_worker.failures import FailureKind
from services.router_worker.providers.transport import Providers
from shared.clock import utc_now
from shared.config.schema import Provider
from shared.errors import OperatorError
from simulator import Config, Simulator, running_simulator
from tests.dialects.families import FAMILIES, Family
from tests.suites.certificates import Authority, tls
from tests.suites.family_calls import talking
from tests.suites.provider_calls import PATIENT, a_job, called, connected, failed, listening, text_of, until

KEY = "sk-secret"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(Config(seed=1, api_keys=(KEY,))) as simulator:
        yield simulator


@pytest.fixture
async def providers(sim: Simulator) -> AsyncIterator[Providers]:
    async with connected(sim.url + "/v1") as providers:
        yield providers


async def failing(providers: Providers, script: str = "", *, streamed: bool = True) -> Failed:
    ending = (await called(providers, script, job=a_job(streamed=streamed)))[-1]
    assert isinstance(ending, Failed)
    return ending


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.dialect)
@pytest.mark.parametrize(
    ("stray", "kinds", "evidence"),
    [
        ("page", {FailureKind.MALFORMED}, "Sign in to the network"),
        ("shape", {FailureKind.MALFORMED, FailureKind.EMPTY, FailureKind.IN_STREAM_ERROR}, '"verdict": "fine"'),
        ("error", {FailureKind.SERVER_ERROR, FailureKind.IN_STREAM_ERROR}, "{"),
        ("words", {FailureKind.MALFORMED, FailureKind.EMPTY}, "upstream connect error"),
        ("redirect", {FailureKind.REDIRECTED}, "Sign in to the network"),
    ],
)
async def test_what_no_provider_says_is_a_failure_with_its_beginning(
    family: Family, stray: str, kinds: set[FailureKind], evidence: str, streamed: bool
) -> None:
    async with talking(family) as talk:
        heard = await talk.ask(f"stray={stray}", streamed=streamed)
    assert isinstance(heard.ending, Failed)
    assert heard.failure.kind in kinds
    assert evidence in heard.ending.evidence
    assert evidence not in heard.failure.message or evidence == "{"


async def test_a_redirect_is_not_followed(sim: Simulator, providers: Providers) -> None:
    assert (await failing(providers, "stray=redirect")).failure.status == 307
    assert len(sim.served()) == 1
    assert "token=abc" not in str(await failing(providers, "stray=redirect"))


async def test_a_line_without_end_is_read_to_a_bound(sim: Simulator, providers: Providers) -> None:
    assert (await failing(providers, "stray=line")).failure.kind is FailureKind.MALFORMED
    await until(lambda: bool(sim.served()))
    assert sim.served()[-1].finished == "client_left"


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
async def test_a_bomb_does_not_go_off(providers: Providers, streamed: bool) -> None:
    tracemalloc.start()
    try:
        failure = (await failing(providers, "stray=bomb", streamed=streamed)).failure
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert failure.kind is FailureKind.MALFORMED
    assert most < 50_000_000, "of the 100 that are in it"


@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_that_came_packed_is_read_all_the_same(status: int) -> None:
    said = (
        b'{"error": {"message": "a reason"}}'
        if status == 500
        else orjson.dumps(
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
        )
    )
    async with facing(status, gzip.compress(said), "content-encoding: gzip") as providers:
        events = await called(providers, job=a_job(streamed=False))
    if status == 500:
        assert isinstance(events[-1], Failed)
        assert events[-1].failure.message == "a reason"
    else:
        assert isinstance(events[0], Answered)


async def test_a_packed_stream_comes_event_by_event() -> None:
    chunk = (
        b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    )
    async with facing(200, gzip.compress(chunk), "content-encoding: gzip") as providers:
        events = await called(providers)
    assert text_of(events) == "Hi"
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize(("encoding", "body"), [("br", b"\x0b\x02\x80Hi\x03"), ("gzip", b"not packed at all")])
async def test_what_cannot_be_unpacked_is_malformed(encoding: str, body: bytes) -> None:
    async with facing(200, body, f"content-encoding: {encoding}") as providers:
        assert (await failed(providers, "")).kind is FailureKind.MALFORMED


async def test_a_header_without_end_is_read_to_a_bound() -> None:
    greeting, for_ever = b"HTTP/1.1 200 OK\r\nx-endless: ", b"x" * 10_000
    async with listening(greeting, for_ever=for_ever) as address, connected(f"http://{address}/v1") as providers:
        assert (await failed(providers, "")).kind is FailureKind.MALFORMED


async def test_an_answer_under_the_wrong_content_type_is_taken_for_what_it_is() -> None:
    stream = (
        b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    )
    for kind in ("application/json", "text/plain", "application/octet-stream"):
        async with facing(200, stream, f"content-type: {kind}") as providers:
            assert text_of(await called(providers)) == "Hi"


async def test_a_page_that_is_labelled_as_a_stream_is_none() -> None:
    async with facing(200, b"  <html>data: {}\n\n</html>", "content-type: text/event-stream") as providers:
        assert (await failed(providers, "")).kind is FailureKind.MALFORMED


async def test_a_page_that_refuses_is_not_the_providers_word_on_the_request() -> None:
    async with facing(400, b"<html>400 Request Header Or Cookie Too Large</html>") as providers:
        failure = await failed(providers, "")
    assert failure.kind is FailureKind.MALFORMED
    assert failure.status == 400


async def test_evidence_shows_no_secret_of_ours_and_500_characters_at_most() -> None:
    team = "team-password-1"
    page = (
        f"<html>{KEY} sent by authorization: Bearer eyJ0b2tlbg.abc x-api-key: {KEY} x-team: {team}"
        f" key=AIzaSyExampleExample0123 sk-proj-{'a' * 40} {'x' * 440} {KEY} {KEY}"
    )
    async with facing(502, page.encode(), team=team) as providers:
        evidence = (await failing(providers)).evidence
    assert evidence.startswith("<html>[secret]")
    assert len(evidence) == 500
    for secret in (KEY, "eyJ0b2tlbg", team, "AIzaSy", "sk-proj"):
        assert secret not in evidence


async def test_what_broke_off_in_the_middle_leaves_no_content_in_the_log(providers: Providers) -> None:
    for script in ("cut_after=3", "malformed_after=3", "error_after=3"):
        whole = text_of(await called(providers, script))
        evidence = (await failing(providers, script)).evidence
        assert whole[:10] not in evidence
        assert "chat.completion.chunk" not in evidence


async def test_the_network_is_quoted_in_the_log() -> None:
    async with connected("http://no-such-host.invalid/v1") as providers:
        assert "no-such-host.invalid" in (await failing(providers)).evidence


async def test_a_certificate_that_nobody_vouches_for_is_refused(sim: Simulator, tmp_path: Path) -> None:
    async with tls(Authority(tmp_path), port_of(sim)) as port, connected(f"https://127.0.0.1:{port}/v1") as providers:
        ending = await failing(providers)
    assert ending.failure.kind is FailureKind.TLS
    assert "certificate" in ending.evidence.lower()
    assert not sim.served()


async def test_a_certificate_is_taken_by_the_authority_of_its_section(sim: Simulator, tmp_path: Path) -> None:
    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    async with tls(ours, port_of(sim)) as port:
        async with connected(f"https://127.0.0.1:{port}/v1", ca_file=str(ours.ca_file)) as providers:
            assert isinstance((await called(providers, "tokens=1"))[-1], Finished)
        async with connected(f"https://127.0.0.1:{port}/v1", ca_file=str(other.ca_file)) as providers:
            assert (await failed(providers, "")).kind is FailureKind.TLS


async def test_an_authority_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    for content in (None, "no certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        section = Provider.model_validate({"base_url": "https://127.0.0.1/v1", "ca_file": str(path)})
        with pytest.raises(OperatorError, match=r"providers\.p\.ca_file"):
            async with Providers({"p": section}, utc_now):
                pass


async def test_a_crawling_answer_is_given_up(sim: Simulator, providers: Providers) -> None:
    timeouts = PATIENT.model_copy(update={"slowest_tokens_per_second": 50.0, "between_tokens_seconds": 1.0})
    assert (await failed(providers, "tokens=100;gap=0.05", timeouts=timeouts)).kind is FailureKind.TOO_SLOW
    await until(lambda: bool(sim.served()))
    assert sim.served()[-1].finished == "client_left"
    events = await called(providers, "tokens=150;gap=0.01", timeouts=timeouts)
    assert isinstance(events[-1], Finished)


def port_of(sim: Simulator) -> int:
    return urlsplit(sim.url).port or 0


@asynccontextmanager
async def facing(status: int, body: bytes, *headers: str, team: str = "blue") -> AsyncIterator[Providers]:
    """A provider that answers this to everybody."""
    head = [f"HTTP/1.1 {status} So", *headers, f"content-length: {len(body)}", "connection: close", "", ""]
    async with (
        listening("\r\n".join(head).encode() + body) as address,
        connected(f"http://{address}/v1", headers={"x-team": team}) as providers,
    ):
        yield providers
