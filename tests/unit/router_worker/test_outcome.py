"""What is said of an attempt when it has ended: whose it was, what for, and what it used."""

from dataclasses import replace

import orjson

from services.router_worker.assembly import Assembler
from services.router_worker.attempt import Attempt
from services.router_worker.events import Answered, Chunk, Failed, Finished, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.outcome import attempt_finished, begin_attempt
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Timeouts
from shared.contracts import AttemptFinished, AttemptRole, AttemptStatus, TokenUsage, Unit, UsageSource
from tests.suites.accounting import NOON, a_job

HERE = Candidate("openai/m1", "openai", "m1", "m1", Timeouts())
WORD = b'{"id":"x","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}'
THERE = replace(HERE, name="azure/m1", provider="azure")


def ended(attempt: Attempt, status: AttemptStatus = AttemptStatus.SUCCEEDED) -> AttemptFinished:
    return attempt_finished(attempt.job, attempt.close(status, NOON))


def begun(candidate: Candidate = HERE, number: int = 1, before: AttemptFinished | None = None) -> Attempt:
    return Attempt(a_job(), begin_attempt(candidate, number, 1, NOON, before), Assembler())


def test_a_call_is_the_first_of_its_job_a_retry_or_a_failover() -> None:
    first = ended(begun(), AttemptStatus.FAILED)
    again = ended(begun(HERE, 2, first), AttemptStatus.FAILED)
    elsewhere = ended(begun(THERE, 3, again))
    assert [call.role for call in (first, again, elsewhere)] == [
        AttemptRole.FIRST,
        AttemptRole.RETRY,
        AttemptRole.FAILOVER,
    ]


def test_a_stream_whose_provider_counted_nothing_is_no_stream_of_no_tokens() -> None:
    attempt = begun()
    for _ in range(3):
        attempt.take(Chunk(WORD, "word ", True, True, 0), NOON)
    attempt.take(Finished("stop", "m1"), NOON)
    assert attempt.needs_estimate
    counted = TokenUsage(uncached_input=5, output=4)
    found = attempt_finished(attempt.job, attempt.close(AttemptStatus.SUCCEEDED, NOON, counted))
    assert (found.usage, found.usage_source) == (counted, UsageSource.ESTIMATE)


def test_one_that_broke_before_its_provider_counted_is_charged_for_what_came() -> None:
    attempt = begun()
    for _ in range(3):
        attempt.take(Chunk(WORD, "word ", True, True, 0), NOON)
    attempt.take(Failed(Failure(FailureKind.CUT, "Cut.")), NOON)
    found = ended(attempt, AttemptStatus.FAILED)
    assert (found.usage.output, found.usage.input, found.usage_source) == (
        3,
        attempt.job.input_tokens,
        UsageSource.PARTIAL,
    )


def test_the_class_of_service_is_the_one_that_the_provider_names() -> None:
    whole, streamed, silent = begun(), begun(), begun()
    whole.take(Answered({"service_tier": "flex", "choices": []}), NOON)
    head = {"id": "c", "service_tier": "priority", "choices": [{"index": 0, "delta": {}, "finish_reason": None}]}
    streamed.take(Chunk(orjson.dumps(head), "", is_output=False, plain=False, choice=0), NOON)
    silent.take(Finished("stop", "m1"), NOON)
    assert [ended(call).service_tier for call in (whole, streamed, silent)] == ["flex", "priority", None]


def test_what_was_counted_besides_the_tokens_is_told() -> None:
    attempt = begun()
    attempt.take(UsageReported(TokenUsage(output=5), None, {}, units={Unit.WEB_SEARCH: 2}), NOON)
    assert ended(attempt).units == {"web_search": 2}
    assert ended(begun()).units is None


def test_a_call_belongs_to_the_team_of_its_key() -> None:
    job = a_job().model_copy(update={"team": "search"})
    attempt = Attempt(job, begin_attempt(HERE, 1, 1, NOON), Assembler())
    assert ended(attempt).team == "search"


def test_an_answer_that_names_no_model_was_given_by_the_one_that_was_asked() -> None:
    named, nameless, broken = begun(), begun(), begun()
    named.take(Finished("stop", "m-2026-01"), NOON)
    nameless.take(Finished("stop", None), NOON)
    assert [ended(call).model_served for call in (named, nameless, broken)] == ["m-2026-01", HERE.model, None]
