"""`Idempotency-Key` at the HTTP door: the same job again, from its first event, while it runs and after its end."""

import asyncio

import orjson
import pytest

from shared.contracts import Job, JobError, JobStatus
from shared.job_log import Cursor, Entry, EventType
from tests.suites.asgi import Call
from tests.suites.ingress import AUTH, CHAT, MemoryIngress, a_chunk, an_end, chat_body, memory_ingress

KEYED = AUTH | {"idempotency-key": '"once"'}
CHAT_PATH, JOBS_PATH = "/v1/chat/completions", "/v1/jobs"


@pytest.fixture
def ingress() -> MemoryIngress:
    return memory_ingress()


def call(ingress: MemoryIngress, path: str, headers: dict[str, str] | None = None, **body: object) -> Call:
    return Call(ingress.app, "POST", path, KEYED | (headers or {}), chat_body(**body))


async def asked(ingress: MemoryIngress, path: str, headers: dict[str, str] | None = None, **body: object) -> Call:
    async with call(ingress, path, headers, **body) as one:
        await one.ended()
    return one


def delta(job: Job, seq: int, text: str) -> Entry:
    return Entry(Cursor(1, seq), EventType.DELTA, a_chunk(job, text))


async def run(ingress: MemoryIngress) -> Job:
    job = await ingress.submitted()
    await ingress.job_log.take(job)
    await ingress.job_log.append(job, delta(job, 2, "Hel"))
    return job


async def finish(ingress: MemoryIngress, job: Job) -> None:
    await ingress.job_log.append(job, delta(job, 3, "lo"))
    await ingress.job_log.end(job, an_end(job, text="Hello"), 4)


async def test_a_stream_that_is_asked_for_again_is_the_same_from_its_beginning(ingress: MemoryIngress) -> None:
    async with call(ingress, CHAT_PATH, stream=True) as first:
        job = await run(ingress)
        async with call(ingress, CHAT_PATH, stream=True) as again:
            await again.until(b"Hel")
            await finish(ingress, job)
            await asyncio.gather(first.ended(), again.ended())
    late = await asked(ingress, CHAT_PATH, stream=True)
    assert first.received == again.received == late.received
    assert late.received.endswith(b"data: [DONE]\n\n")
    assert "idempotent-replayed" not in first.answer_headers
    for each in (again, late):
        assert each.answer_headers["x-sluice-job-id"] == job.id
        assert each.answer_headers["idempotent-replayed"] == "true"
    assert len(ingress.queue.jobs) == 1


async def test_when_its_log_has_expired_a_stream_is_given_whole(ingress: MemoryIngress) -> None:
    async with call(ingress, CHAT_PATH, stream=True) as first:
        job = await run(ingress)
        await finish(ingress, job)
        await first.ended()
    ingress.job_log.lose(job.id)
    late = await asked(ingress, CHAT_PATH, stream=True)
    chunk, done, _ = late.received.split(b"\n\n")
    assert orjson.loads(chunk.removeprefix(b"data: "))["choices"][0]["delta"]["content"] == "Hello"
    assert done == b"data: [DONE]"


async def test_an_answer_that_is_asked_for_again_is_the_same(ingress: MemoryIngress) -> None:
    async with call(ingress, CHAT_PATH) as first, call(ingress, CHAT_PATH) as again:
        job = await run(ingress)
        await finish(ingress, job)
        await asyncio.gather(first.ended(), again.ended())
    late = await asked(ingress, CHAT_PATH)
    ingress.job_log.lose(job.id)
    later = await asked(ingress, CHAT_PATH)
    assert first.status == 200
    assert first.received == again.received == late.received == later.received
    # Two at once may both queue it: under one id it is one job.
    assert {each.id for each in ingress.queue.jobs} == {job.id}


async def test_an_error_that_is_asked_for_again_is_the_same(ingress: MemoryIngress) -> None:
    failure = JobError(status_code=429, message="Slow down.", type="rate_limit_error", code="rate_limit_exceeded")
    async with call(ingress, CHAT_PATH, stream=True) as first:
        job = await ingress.submitted()
        await ingress.job_log.take(job)
        await ingress.job_log.end(job, an_end(job, status=JobStatus.FAILED, error=failure), 2)
        await first.ended()
    again = await asked(ingress, CHAT_PATH, stream=True)
    assert (again.status, again.received) == (first.status, first.received) == (429, first.received)
    ingress.job_log.lose(job.id)
    assert (await asked(ingress, CHAT_PATH, stream=True)).received == first.received


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_is_no_longer_kept_is_a_410(ingress: MemoryIngress, stream: bool) -> None:
    async with call(ingress, CHAT_PATH, stream=stream) as first:
        job = await run(ingress)
        await finish(ingress, job)
        await first.ended()
    ingress.job_log.lose(job.id, an_end(job).model_copy(update={"response": None}))
    late = await asked(ingress, CHAT_PATH, stream=stream)
    assert (late.status, orjson.loads(late.received)["error"]["code"]) == (410, "answer_not_kept")


async def test_another_body_with_the_key_is_a_422(ingress: MemoryIngress) -> None:
    await asked(ingress, JOBS_PATH)
    for path in (JOBS_PATH, CHAT_PATH):
        other = await asked(ingress, path, user="somebody else")
        error = orjson.loads(other.received)["error"]
        assert (other.status, error["code"]) == (422, "idempotency_key_reused")
        assert error["param"] == "Idempotency-Key"
    assert len(ingress.queue.jobs) == 1


@pytest.mark.parametrize("key", ["", '""', "ü", "a" * 513])
async def test_a_key_that_is_none_is_a_400(ingress: MemoryIngress, key: str) -> None:
    refused = await asked(ingress, JOBS_PATH, {"idempotency-key": key})
    assert refused.status == 400


async def test_a_job_that_is_submitted_again_is_shown_as_it_is_by_now(ingress: MemoryIngress) -> None:
    first = await asked(ingress, JOBS_PATH)
    job = await run(ingress)
    running = await asked(ingress, JOBS_PATH)
    await finish(ingress, job)
    ended = await asked(ingress, JOBS_PATH)
    shown = [orjson.loads(each.received) for each in (first, running, ended)]
    assert [each["status"] for each in shown] == ["queued", "running", "succeeded"]
    assert {each["id"] for each in shown} == {job.id}
    assert {each.status for each in (first, running, ended)} == {202}
    assert {each.answer_headers["location"] for each in (first, running, ended)} == {f"/v1/jobs/{job.id}"}
    assert ended.answer_headers["idempotent-replayed"] == "true"


async def test_a_call_that_is_preferred_in_another_way_is_the_same_job(ingress: MemoryIngress) -> None:
    accepted = await asked(ingress, CHAT_PATH, {"prefer": "respond-async"})
    job = await run(ingress)
    await finish(ingress, job)
    waited = await asked(ingress, CHAT_PATH)
    assert (accepted.status, waited.status) == (202, 200)
    assert accepted.answer_headers["x-sluice-job-id"] == waited.answer_headers["x-sluice-job-id"]


async def test_every_line_of_jsonl_that_is_sent_again_is_its_job(ingress: MemoryIngress) -> None:
    async def send(*lines: bytes) -> list[dict[str, object]]:
        headers = KEYED | {"content-type": "application/jsonl"}
        async with Call(ingress.app, "POST", JOBS_PATH, headers, b"\n".join(lines)) as one:
            await one.ended()
        return [orjson.loads(line) for line in one.received.splitlines()]

    lines = [orjson.dumps({"custom_id": f"c{number}", "body": CHAT}) for number in range(70)]
    lines[3] = b"oops"
    first = await send(*lines[:40])
    await finish(ingress, await run(ingress))
    again = await send(*lines)
    assert {line["status"] for line in first} == {"queued", "refused"}
    assert {line["status"] for line in again} == {"queued", "refused", "succeeded"}
    assert [line.get("id") for line in first] == [line.get("id") for line in again[:40]]
    assert len({line["id"] for line in again if "id" in line}) == 69
    assert len(ingress.queue.jobs) == 69
    mended = await send(*lines[:3], lines[0])
    assert mended[3]["id"]  # what was refused has held no key
    changed = await send(lines[1])
    assert changed[0]["error"]["code"] == "idempotency_key_reused"  # type: ignore[index]


async def test_without_redis_a_keyed_request_is_told_to_come_again(ingress: MemoryIngress) -> None:
    ingress.reservations.away = True
    refused = await asked(ingress, JOBS_PATH)
    assert (refused.status, orjson.loads(refused.received)["error"]["code"]) == (503, "redis_unavailable")
    assert int(refused.answer_headers["retry-after"]) > 0
    assert ingress.queue.jobs == []


async def test_the_last_of_two_who_asked_for_a_job_cancels_it_by_leaving(ingress: MemoryIngress) -> None:
    async with call(ingress, CHAT_PATH, stream=True) as first:
        job = await run(ingress)
        async with call(ingress, CHAT_PATH, stream=True) as again:
            await again.until(b"Hel")
            first.leave()
            await first.ended()
            assert ingress.job_log.told == []
            again.leave()
            await again.ended()
    assert ingress.job_log.told == [("w1", job.id)]


async def test_a_job_that_somebody_reads_goes_on_when_its_chat_client_leaves(ingress: MemoryIngress) -> None:
    async with call(ingress, CHAT_PATH, stream=True) as first:
        job = await run(ingress)
        async with Call(ingress.app, "GET", f"{JOBS_PATH}/{job.id}/events", AUTH) as reader:
            await reader.until(b"Hel")
            first.leave()
            await first.ended()
            await finish(ingress, job)
            await reader.ended()
    assert ingress.job_log.told == []
    assert b"event: done" in reader.received


async def test_a_job_that_is_read_at_another_replica_goes_on_too(ingress: MemoryIngress) -> None:
    ingress.job_log.followed_elsewhere = True
    async with call(ingress, CHAT_PATH, stream=True) as first:
        await run(ingress)
        first.leave()
        await first.ended()
    assert ingress.job_log.told == []


@pytest.mark.parametrize(
    ("path", "headers"),
    [(JOBS_PATH, {}), (CHAT_PATH, {"prefer": "respond-async"}), (CHAT_PATH, {"x-sluice-on-disconnect": "continue"})],
)
async def test_who_leaves_a_job_that_was_asked_for_to_last_stops_nothing(
    ingress: MemoryIngress, path: str, headers: dict[str, str]
) -> None:
    async with call(ingress, path, headers, stream=True) as first:
        await run(ingress)
        first.leave()
        await first.ended()
        async with call(ingress, CHAT_PATH, stream=True) as again:
            await again.until(b"Hel")
            again.leave()
            await again.ended()
    assert ingress.job_log.cancelled == 0
