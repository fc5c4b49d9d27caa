"""`POST /v1/chat/completions` on ports in memory: what a client sees, byte by byte, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from services.ingress.api.doors import Patience
from services.ingress.ports import Dependency, RecordTooLargeError, UnavailableError, UnconfirmedError
from shared.contracts import Interruption, Job, JobError, JobStatus, Lane
from shared.ids import completion_id
from shared.job_log import Cursor, Entry, EventType
from tests.suites.asgi import Call
from tests.suites.ingress import AUTH, MemoryIngress, a_chunk, an_end, chat_body, memory_ingress

PATH = "/v1/chat/completions"
QUICK = Patience(keepalive=0.02)


@pytest.fixture
def ingress() -> MemoryIngress:
    return memory_ingress()


@asynccontextmanager
async def chat(ingress: MemoryIngress, *, headers: dict[str, str] | None = None, **body: object) -> AsyncIterator[Call]:
    async with Call(ingress.app, "POST", PATH, AUTH | (headers or {}), chat_body(**body)) as call:
        yield call


def delta(job: Job, seq: int, text: str = "x", epoch: int = 1) -> Entry:
    return Entry(Cursor(epoch, seq), EventType.DELTA, a_chunk(job, text))


def error_of(call: Call) -> dict[str, object]:
    found: dict[str, object] = orjson.loads(call.received)["error"]
    return found


async def test_a_stream_is_chunks_and_then_done(ingress: MemoryIngress) -> None:
    async with chat(ingress, stream=True) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        await ingress.job_log.append(job, delta(job, 2, "Hel"), delta(job, 3, "lo"))
        await ingress.job_log.end(job, an_end(job), 4)
        await call.ended()
    frames = [b"data: " + a_chunk(job, text) for text in ("Hel", "lo")] + [b"data: [DONE]", b""]
    assert call.received.split(b"\n\n") == frames
    assert call.status == 200
    assert call.answer_headers["content-type"] == "text/event-stream; charset=utf-8"
    assert call.answer_headers["cache-control"] == "no-cache, no-transform"
    assert call.answer_headers["x-accel-buffering"] == "no"
    assert call.answer_headers["x-sluice-job-id"] == job.id
    assert call.complete


async def test_the_head_is_held_back_until_there_is_something_to_say(ingress: MemoryIngress) -> None:
    async with chat(ingress, stream=True) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        await asyncio.sleep(0)
        assert call.status is None
        await ingress.job_log.append(job, delta(job, 2))
        await call.until(b"chunk")
        assert call.status == 200


async def test_an_error_before_the_first_delta_is_the_answer_itself(ingress: MemoryIngress) -> None:
    failure = JobError(status_code=429, message="Slow down.", type="rate_limit_error", code="rate_limit_exceeded")
    async with chat(ingress, stream=True) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        await ingress.job_log.end(job, an_end(job, status=JobStatus.FAILED, error=failure), 2)
        await call.ended()
    assert call.status == 429
    assert error_of(call) == {
        "message": "Slow down.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert call.answer_headers["x-sluice-job-id"] == job.id


async def test_an_error_after_the_first_delta_is_one_more_line_and_no_done(ingress: MemoryIngress) -> None:
    failure = JobError(status_code=502, message="Cut.", type="server_error", code="stream_interrupted")
    async with chat(ingress, stream=True) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        await ingress.job_log.append(job, delta(job, 2))
        await ingress.job_log.end(job, an_end(job, status=JobStatus.FAILED, error=failure), 3)
        await call.ended()
    *_, last, empty = call.received.split(b"\n\n")
    assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "stream_interrupted"
    assert empty == b""
    assert b"[DONE]" not in call.received
    assert call.complete


async def test_a_quiet_stream_is_kept_alive_by_comments() -> None:
    ingress = memory_ingress(patience=QUICK)
    async with chat(ingress, stream=True) as call:
        await call.until(b": ping\n\n: ping\n\n")
        assert call.status == 200
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        failure = JobError(status_code=429, message="Slow down.", type="rate_limit_error")
        await ingress.job_log.end(job, an_end(job, status=JobStatus.FAILED, error=failure), 2)
        await call.ended()
    assert b'data: {"error":{"message":"Slow down."' in call.received


async def test_a_plain_stream_ends_where_it_would_have_to_begin_again(ingress: MemoryIngress) -> None:
    async with chat(ingress, stream=True) as call:
        job = await ingress.submitted()
        assert job.on_interrupt is Interruption.FAIL
        await ingress.job_log.take(job)
        await ingress.job_log.append(job, delta(job, 2), Entry(Cursor(1, 3), EventType.RESTART, b"{}"))
        await call.ended()
    assert b"stream_interrupted" in call.received
    assert b"[DONE]" not in call.received


async def test_a_client_that_asked_for_it_is_told_that_the_answer_begins_again(ingress: MemoryIngress) -> None:
    async with chat(ingress, stream=True, headers={"x-sluice-on-interrupt": "restart"}) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        await ingress.job_log.append(
            job, delta(job, 2), Entry(Cursor(1, 3), EventType.RESTART, b"{}"), delta(job, 4, "again")
        )
        await ingress.job_log.end(job, an_end(job), 5)
        await call.ended()
    _, restart, _, done, _ = call.received.split(b"\n\n")
    chunk = orjson.loads(restart.removeprefix(b"data: "))
    assert chunk["id"] == completion_id(job.id)
    assert chunk["object"] == "chat.completion.chunk"
    assert chunk["choices"] == []
    assert chunk["sluice"] == {"event": "restart"}
    assert done == b"data: [DONE]"


async def test_a_restart_before_anything_was_shown_is_nobodys_business(ingress: MemoryIngress) -> None:
    async with chat(ingress, stream=True) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        await ingress.job_log.append(job, Entry(Cursor(1, 2), EventType.RESTART, b"{}"), delta(job, 3))
        await ingress.job_log.end(job, an_end(job), 4)
        await call.ended()
    assert call.received == b"data: " + a_chunk(job, "x") + b"\n\ndata: [DONE]\n\n"


async def test_an_answer_whose_log_was_lost_is_given_whole_from_the_stored_result() -> None:
    ingress = memory_ingress(patience=QUICK)
    async with chat(ingress, stream=True) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        await call.until(b": ping")
        ended = an_end(job, text="All of it.")
        ingress.job_log.lose(job.id, ended)
        await call.ended()
    chunk = orjson.loads(call.received.split(b"data: ")[1])
    assert chunk["choices"][0]["delta"]["content"] == "All of it."
    assert chunk["object"] == "chat.completion.chunk"
    assert call.received.endswith(b"data: [DONE]\n\n")


async def test_without_stream_the_whole_completion_is_the_answer(ingress: MemoryIngress) -> None:
    async with chat(ingress) as call:
        job = await ingress.submitted()
        assert not job.streamed
        await ingress.job_log.take(job)
        await ingress.job_log.end(job, an_end(job, text="Hello."), 2)
        await call.ended()
    assert call.status == 200
    assert orjson.loads(call.received)["choices"][0]["message"]["content"] == "Hello."
    assert call.answer_headers["x-sluice-job-id"] == job.id


@pytest.mark.parametrize(
    ("status", "http", "code"),
    [(JobStatus.CANCELLED, 409, "job_cancelled"), (JobStatus.EXPIRED, 504, "deadline_exceeded")],
)
async def test_a_job_that_ends_without_an_answer_is_an_error(
    ingress: MemoryIngress, status: JobStatus, http: int, code: str
) -> None:
    async with chat(ingress) as call:
        job = await ingress.submitted()
        await ingress.job_log.end(job, an_end(job, status=status), 2)
        await call.ended()
    assert (call.status, error_of(call)["code"]) == (http, code)


async def test_a_providers_own_401_is_not_the_callers(ingress: MemoryIngress) -> None:
    async with chat(ingress) as call:
        job = await ingress.submitted()
        failure = JobError(status_code=401, message="Bad key.", type="server_error")
        await ingress.job_log.end(job, an_end(job, status=JobStatus.FAILED, error=failure), 2)
        await call.ended()
    assert call.status == 400


@pytest.mark.parametrize("stream", [True, False])
async def test_when_the_client_leaves_the_job_is_cancelled(ingress: MemoryIngress, stream: bool) -> None:
    async with chat(ingress, stream=stream) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job, "w7")
        call.leave()
        await call.ended()
    assert ingress.job_log.told == [("w7", job.id)]
    assert ingress.job_log.followed == 0


async def test_a_client_may_leave_and_let_the_job_go_on(ingress: MemoryIngress) -> None:
    async with chat(ingress, stream=True, headers={"x-sluice-on-disconnect": "continue"}) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        call.leave()
        await call.ended()
    assert ingress.job_log.told == []


async def test_a_reader_that_takes_nothing_any_more_is_let_go_as_if_it_had_left() -> None:
    ingress = memory_ingress(patience=Patience(write=0.02))
    async with Call(ingress.app, "POST", PATH, AUTH, chat_body(stream=True), reads=False) as call:
        job = await ingress.submitted()
        await ingress.job_log.take(job, "w7")
        await ingress.job_log.append(job, delta(job, 2))
        await call.ended()
    assert ingress.job_log.told == [("w7", job.id)]


async def test_respond_async_is_a_202_with_the_jobs_place(ingress: MemoryIngress) -> None:
    async with chat(ingress, headers={"prefer": "respond-async"}) as call:
        await call.ended()
    job = ingress.queue.jobs[0]
    assert call.status == 202
    assert call.answer_headers["location"] == f"/v1/jobs/{job.id}"
    assert call.answer_headers["preference-applied"] == "respond-async"
    assert orjson.loads(call.received)["status"] == "queued"


async def test_respond_async_needs_no_log(ingress: MemoryIngress) -> None:
    ingress.job_log.away = True
    async with chat(ingress, stream=True, headers={"prefer": "respond-async"}) as call:
        await call.ended()
    assert call.status == 202
    assert ingress.queue.jobs[0].on_interrupt is Interruption.RESTART


async def test_waiting_in_vain_is_a_202_and_the_job_goes_on(ingress: MemoryIngress) -> None:
    async with chat(ingress, headers={"prefer": "wait=0"}) as call:
        await call.ended()
    assert call.status == 202
    assert call.answer_headers["preference-applied"] == "wait=0"
    assert ingress.job_log.told == []


async def test_waiting_long_enough_is_the_answer(ingress: MemoryIngress) -> None:
    async with chat(ingress, headers={"prefer": "respond-async, wait=30"}) as call:
        job = await ingress.submitted()
        await ingress.job_log.end(job, an_end(job), 2)
        await call.ended()
    assert call.status == 200
    assert call.answer_headers["preference-applied"] == "respond-async, wait=30"


async def test_a_call_is_not_waited_for_beyond_its_deadline() -> None:
    ingress = memory_ingress(patience=Patience(keepalive=0.02, grace=0))
    async with chat(ingress, stream=True, headers={"x-sluice-deadline": "0.1"}) as call:
        await call.ended()
    assert b"deadline_exceeded" in call.received
    async with chat(ingress, headers={"x-sluice-deadline": "0.1"}) as call:
        await call.ended()
    assert call.status == 504


async def test_without_redis_a_chat_is_refused_before_anything_is_queued(ingress: MemoryIngress) -> None:
    ingress.job_log.away = True
    async with chat(ingress, stream=True) as call:
        await call.ended()
    assert (call.status, error_of(call)["code"]) == (503, "redis_unavailable")
    assert int(call.answer_headers["retry-after"]) > 0
    assert ingress.queue.jobs == []


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (UnavailableError(Dependency.KAFKA, "away"), 503, "kafka_unavailable"),
        (UnconfirmedError("no answer"), 503, "queue_unconfirmed"),
        (RecordTooLargeError("big"), 413, "request_too_large"),
    ],
)
async def test_what_the_queue_does_not_take_is_told_with_its_status(
    ingress: MemoryIngress, failure: Exception, status: int, code: str
) -> None:
    ingress.queue.failure = failure
    async with chat(ingress, stream=True) as call:
        await call.ended()
    assert (call.status, error_of(call)["code"]) == (status, code)


async def test_the_lane_can_be_wished_for(ingress: MemoryIngress) -> None:
    async with chat(ingress, headers={"x-sluice-lane": "batch", "prefer": "respond-async"}) as call:
        await call.ended()
    assert ingress.queue.jobs[0].lane is Lane.BATCH
