"""Limits at the HTTP door: who is refused and with which words, who waits, and what is given back."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from services.ingress.admission import Admitted, Allowance, Left, Limits, Pace, Reason, Refused, admit, scopes_of
from services.ingress.api.ratelimits import ratelimit_headers
from services.ingress.pacing import Paced, Pacing, RateTerms
from services.ingress.ports import Dependency, UnavailableError
from shared.clock import utc_now
from shared.contracts import Door, Job, Lane
from shared.ids import new_job_id
from shared.rates import Scope
from tests.suites.asgi import Call
from tests.suites.ingress import AUTH, CALLER, NOON, MemoryIngress, a_request, chat_body, memory_ingress, the_facts
from tests.suites.rates import MemoryRates

LONGEST = timedelta(seconds=600)


def a_caller(**limits: int) -> object:
    return replace(CALLER, limits=Limits(**limits))


def pacing(rates: MemoryRates | None = None, **terms: object) -> Pacing:
    known: dict[str, object] = {"models": {}, "batch_waits": True, "open_without_redis": True}
    return Pacing(rates or MemoryRates(), RateTerms(**(known | terms)), lambda: NOON)  # type: ignore[arg-type]


def a_job(**fields: object) -> Job:
    decision = admit(a_request(**fields), CALLER, the_facts(job=new_job_id()), NOON)
    assert isinstance(decision, Admitted)
    return decision.job


def limited(ingress: MemoryIngress, **limits: int) -> MemoryIngress:
    """From now on every model has these limits."""
    terms = RateTerms({"gpt-4o": Limits(**limits)}, batch_waits=True, open_without_redis=True)
    takings = ingress.submissions._takings
    ingress.submissions._takings = replace(takings, pacing=Pacing(ingress.rates, terms, utc_now))
    return ingress


async def submit(ingress: MemoryIngress, **headers: str) -> Call:
    async with Call(ingress.app, "POST", "/v1/jobs", AUTH | headers, chat_body()) as call:
        await call.ended()
    return call


async def test_nothing_is_asked_of_those_without_limits() -> None:
    assert pacing().demand(a_request(), CALLER, 12, LONGEST) is None
    ingress = memory_ingress()
    call = await submit(ingress)
    assert call.status == 202
    assert not [name for name in call.answer_headers if name.startswith("x-ratelimit")]
    assert ingress.queue.jobs[0].paced is None
    assert ingress.rates.states == {}


def test_every_limit_on_the_way_is_a_scope() -> None:
    caller = replace(
        CALLER, team="red", limits=Limits(1), team_limits=Limits(2), tenant_limits=Limits(tokens_per_minute=3)
    )
    assert scopes_of(caller, "gpt-4o", Limits(concurrency=4)) == (
        Scope("key:acme/web", requests=1),
        Scope("team:acme/red", requests=2),
        Scope("tenant:acme", tokens=3),
        Scope("model:gpt-4o", places=4),
    )


def test_tokens_are_the_input_and_the_most_output_of_all_choices() -> None:
    caller = a_caller(tokens_per_minute=1000)
    request = a_request(output_tokens=50, body={"n": 3})
    pace = pacing().demand(request, caller, 12, LONGEST)  # type: ignore[arg-type]
    assert pace is not None
    assert pace.tokens == 12 + 3 * 50


@pytest.mark.parametrize(
    ("door", "lane", "batch_waits", "waits"),
    [
        (Door.CHAT, Lane.INTERACTIVE, True, False),
        (Door.JOBS, Lane.BATCH, True, True),
        (Door.JOBS, Lane.BATCH, False, False),
        (Door.TOPIC, Lane.INTERACTIVE, False, True),
    ],
)
def test_who_waits(door: Door, lane: Lane, batch_waits: bool, waits: bool) -> None:
    caller = a_caller(requests_per_minute=1)
    pace = pacing(batch_waits=batch_waits).demand(a_request(door=door, lane=lane), caller, 12, LONGEST)  # type: ignore[arg-type]
    assert pace is not None
    assert (pace.patience is not None) is waits


async def test_above_the_rate_it_is_a_429_that_says_when_to_come_again() -> None:
    ingress = limited(memory_ingress(), requests_per_minute=2)
    calls = [await submit(ingress) for _ in range(3)]
    assert [call.status for call in calls] == [202, 202, 429]
    assert [call.answer_headers["x-ratelimit-remaining-requests"] for call in calls] == ["1", "0", "0"]
    refused = calls[2].answer_headers
    assert refused["x-ratelimit-limit-requests"] == "2"
    assert refused["x-ratelimit-reset-requests"] == "1m0s"
    assert (refused["retry-after"], refused["retry-after-ms"]) == ("30", "30000")
    error = orjson.loads(calls[2].received)["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert len(ingress.queue.jobs) == 2
    ingress.rates.now_ms += 30_000
    assert (await submit(ingress)).status == 202


async def test_a_batch_job_above_the_rate_is_accepted_and_begins_later() -> None:
    ingress = limited(memory_ingress(), requests_per_minute=1)
    calls = [await submit(ingress, **{"x-sluice-lane": "batch"}) for _ in range(3)]
    assert [call.status for call in calls] == [202, 202, 202]
    first, second, third = ingress.queue.jobs
    assert first.not_before is None
    assert second.not_before is not None
    assert third.not_before is not None
    assert timedelta(seconds=55) < third.not_before - second.not_before < timedelta(seconds=75)
    assert third.deadline - third.accepted_at == LONGEST


async def test_a_batch_job_that_could_not_begin_in_time_is_refused() -> None:
    ingress = limited(memory_ingress(), requests_per_minute=1)
    statuses = [(await submit(ingress, **{"x-sluice-lane": "batch"})).status for _ in range(8)]
    # 600 s to its deadline, half of them to run in: four more at 7/8 of a request a minute.
    assert statuses == [202] * 5 + [429] * 3


async def test_a_request_larger_than_the_limit_is_told_so_and_not_to_come_again() -> None:
    caller = a_caller(tokens_per_minute=100)
    rates = MemoryRates()
    pace = pacing(rates).demand(a_request(output_tokens=200), caller, 12, LONGEST)  # type: ignore[arg-type]
    refused = admit(a_request(output_tokens=200), CALLER, the_facts(pace=pace), NOON)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.retry_after) == (Reason.LARGER_THAN_RATE, None)
    assert "100 tokens" in refused.message
    assert "212" in refused.message
    assert rates.states == {}


async def test_a_request_that_is_sent_again_takes_nothing() -> None:
    ingress = limited(memory_ingress(), requests_per_minute=1)
    calls = [await submit(ingress, **{"idempotency-key": "k"}) for _ in range(3)]
    assert [call.status for call in calls] == [202, 202, 202]


async def test_what_the_queue_did_not_take_is_given_back() -> None:
    ingress = limited(memory_ingress(), requests_per_minute=1)
    ingress.queue.failure = UnavailableError(Dependency.KAFKA, "gone")
    assert (await submit(ingress)).status == 503
    ingress.queue.failure = None
    assert (await submit(ingress)).status == 202


@pytest.mark.parametrize("open_without_redis", [True, False])
async def test_without_redis_it_is_open_or_closed_as_configured(open_without_redis: bool) -> None:
    rates = MemoryRates(away=True)
    shell = pacing(rates, open_without_redis=open_without_redis)
    pace = Pace((Scope("key:a", requests=1),), 12, None)
    if open_without_redis:
        found = await shell.take(a_job(), pace)
        assert isinstance(found, Paced)
        assert found.job.paced is None
    else:
        with pytest.raises(UnavailableError):
            await shell.take(a_job(), pace)


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (timedelta(), "0ms"),
        (timedelta(milliseconds=12), "12ms"),
        (timedelta(seconds=1), "1s"),
        (timedelta(seconds=1.5), "1.5s"),
        (timedelta(minutes=6), "6m0s"),
        (timedelta(minutes=1, milliseconds=1250), "1m1.25s"),
        (timedelta(hours=2), "2h0m0s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(span: timedelta, written: str) -> None:
    headers = ratelimit_headers(Allowance(tokens=Left(10, 3, span)))
    assert headers == {
        "x-ratelimit-limit-tokens": "10",
        "x-ratelimit-remaining-tokens": "3",
        "x-ratelimit-reset-tokens": written,
    }
