"""`/v1/jobs` on ports in memory: submit, look, list, cancel, follow; and that no tenant sees another's."""

import asyncio

import orjson
import pytest

from services.ingress.api.doors import Patience
from services.ingress.ports import Dependency, JobRecord, UnavailableError, UnconfirmedError
from services.ingress.tail import STORED_SEQ
from shared.contracts import Door, Interruption, Job, JobEnded, JobStatus, Lane, PlanEntry
from shared.ids import new_job_id
from shared.job_log import Cursor, Entry, EventType
from shared.money import Nanodollars
from tests.suites.asgi import Call
from tests.suites.ingress import (
    AUTH,
    CHAT,
    NARROW_KEY,
    OTHER_TENANTS_KEY,
    MemoryIngress,
    a_chunk,
    a_job,
    an_end,
    chat_body,
    memory_ingress,
)

JSONL = AUTH | {"content-type": "application/jsonl"}
RIVAL = {"authorization": f"Bearer {OTHER_TENANTS_KEY}"}


@pytest.fixture
def ingress() -> MemoryIngress:
    return memory_ingress()


async def ask(
    ingress: MemoryIngress,
    method: str,
    path: str,
    *,
    headers: dict[str, str] = AUTH,
    body: bytes | list[bytes] = b"",
    query: str = "",
) -> Call:
    async with Call(ingress.app, method, path, headers, body, query) as call:
        await call.ended()
    return call


async def accepted(ingress: MemoryIngress, **fields: object) -> Job:
    job = a_job(**fields)  # type: ignore[arg-type]
    await ingress.job_log.accept(job)
    return job


def archived(ingress: MemoryIngress, job: Job, ended: JobEnded | None = None, cost: int | None = None) -> JobRecord:
    record = JobRecord(
        id=job.id,
        tenant=job.tenant,
        model=job.model,
        lane=job.lane,
        accepted_at=job.accepted_at,
        deadline=job.deadline,
        ended=ended,
        cost=None if cost is None else Nanodollars(cost),
    )
    ingress.archive.records[job.id] = record
    return record


def events_of(call: Call) -> list[tuple[str, str]]:
    """Id and type of each event."""
    found = []
    for frame in call.received.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in frame.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["id"], fields["event"]))
    return found


# --- submitting ---


async def test_a_job_is_accepted_with_its_place(ingress: MemoryIngress) -> None:
    call = await ask(ingress, "POST", "/v1/jobs", body=chat_body(custom="kept"))
    (job,) = ingress.queue.jobs
    assert (call.status, call.answer_headers["location"]) == (202, f"/v1/jobs/{job.id}")
    assert (job.door, job.lane, job.streamed) == (Door.JOBS, Lane.INTERACTIVE, True)
    assert job.body == CHAT | {"custom": "kept"}
    assert job.on_interrupt is Interruption.RESTART


async def test_a_batch_line_is_a_job_too(ingress: MemoryIngress) -> None:
    call = await ask(ingress, "POST", "/v1/jobs", body=orjson.dumps({"custom_id": "a1", "body": CHAT}))
    assert orjson.loads(call.received)["custom_id"] == "a1"


async def test_a_job_is_accepted_while_redis_is_away_and_told_to_it_later(ingress: MemoryIngress) -> None:
    ingress.job_log.away = True
    call = await ask(ingress, "POST", "/v1/jobs", body=chat_body())
    assert call.status == 202
    ingress.job_log.away = False
    telling = asyncio.create_task(ingress.submissions.run())
    try:
        async with asyncio.timeout(30):
            while await ingress.job_log.look(ingress.queue.jobs[0].id) is None:
                await asyncio.sleep(0.01)
    finally:
        telling.cancel()


async def test_a_job_the_queue_did_not_confirm_is_withdrawn(ingress: MemoryIngress) -> None:
    ingress.queue.failure = UnconfirmedError("no answer")
    call = await ask(ingress, "POST", "/v1/jobs", body=chat_body())
    assert call.status == 503
    assert ingress.job_log.cancelled == 1


async def test_every_line_of_jsonl_gets_an_id_or_an_error_in_its_order(ingress: MemoryIngress) -> None:
    lines = [
        orjson.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}),
        b"{broken",
        b"   ",
        orjson.dumps({"custom_id": "b", "body": CHAT | {"model": "nobody"}}),
        chat_body(stream=True),
    ]
    call = await ask(ingress, "POST", "/v1/jobs", headers=JSONL, body=b"\n".join(lines))
    answers = [orjson.loads(line) for line in call.received.splitlines()]
    first, last = ingress.queue.jobs
    assert call.status == 202
    assert [answer["line"] for answer in answers] == [1, 2, 3, 4]
    assert [answer["status"] for answer in answers] == ["queued", "refused", "refused", "queued"]
    assert answers[0]["custom_id"] == "a"
    assert (answers[0]["id"], answers[3]["id"]) == (first.id, last.id)
    assert answers[1]["error"]["code"] == "malformed_json"
    assert answers[2]["error"]["code"] == "model_not_found"
    assert (first.lane, first.streamed, last.streamed) == (Lane.BATCH, False, True)


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_lines_may_be_cut_anywhere_on_their_way(ingress: MemoryIngress, size: int) -> None:
    text = b"\r\n".join(chat_body(user=str(number)) for number in range(150))
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    call = await ask(ingress, "POST", "/v1/jobs", headers=JSONL, body=pieces)
    assert [job.user for job in ingress.queue.jobs] == [str(number) for number in range(150)]
    assert len(call.received.splitlines()) == 150


async def test_a_line_that_is_too_long_stops_no_other() -> None:
    ingress = memory_ingress(body_bytes=200)
    long = chat_body(user="x" * 300)
    text = b"\n".join((chat_body(), long, chat_body()))
    call = await ask(ingress, "POST", "/v1/jobs", headers=JSONL, body=[text[:150], text[150:400], text[400:]])
    answers = [orjson.loads(line) for line in call.received.splitlines()]
    assert [answer["status"] for answer in answers] == ["queued", "refused", "queued"]
    assert answers[1]["error"]["code"] == "request_too_large"


async def test_when_the_queue_is_away_every_line_is_told_so(ingress: MemoryIngress) -> None:
    ingress.queue.failure = UnavailableError(Dependency.KAFKA, "away")
    call = await ask(ingress, "POST", "/v1/jobs", headers=JSONL, body=b"\n".join([chat_body()] * 200))
    answers = [orjson.loads(line) for line in call.received.splitlines()]
    assert {answer["error"]["code"] for answer in answers} == {"kafka_unavailable"}
    assert len(answers) == 200


async def test_no_lines_at_all_are_a_mistake(ingress: MemoryIngress) -> None:
    assert (await ask(ingress, "POST", "/v1/jobs", headers=JSONL, body=b"\n \n")).status == 400


# --- looking ---


async def test_a_job_is_queued_then_running_then_ended(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)

    async def status() -> str:
        call = await ask(ingress, "GET", f"/v1/jobs/{job.id}")
        assert call.status == 200
        return str(orjson.loads(call.received)["status"])

    assert await status() == "queued"
    await ingress.job_log.take(job)
    assert await status() == "running"
    await ingress.job_log.end(job, an_end(job), 2)
    assert await status() == "succeeded"


async def test_an_ended_job_shows_its_attempts_usage_cost_and_answer(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)
    entry = PlanEntry(
        deployment="one/gpt-4o", model="gpt-4o", verdict="asked", reason="number 1 by priority: succeeded"
    )
    await ingress.job_log.end(job, an_end(job, text="Hi.").model_copy(update={"plan": (entry,)}), 2)
    archived(ingress, job, an_end(job), cost=1_234_567)
    shown = orjson.loads((await ask(ingress, "GET", f"/v1/jobs/{job.id}")).received)
    assert shown["response"]["choices"][0]["message"]["content"] == "Hi."
    assert shown["cost"] == {"nanodollars": 1_234_567, "dollars": "0.001234567"}
    assert shown["usage"]["total_tokens"] == 15
    assert shown["route"] == ["one/gpt-4o"]
    assert shown["plan"] == [entry.model_dump()]
    assert shown["attempts"][0]["deployment"] == "one/gpt-4o"


async def test_a_cost_nobody_knows_yet_is_null_and_so_is_one_the_archive_cannot_tell(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)
    await ingress.job_log.end(job, an_end(job), 2)
    assert orjson.loads((await ask(ingress, "GET", f"/v1/jobs/{job.id}")).received)["cost"] is None
    ingress.archive.away = True
    call = await ask(ingress, "GET", f"/v1/jobs/{job.id}")
    assert (call.status, orjson.loads(call.received)["cost"]) == (200, None)


async def test_a_job_whose_log_is_gone_is_shown_from_the_archive(ingress: MemoryIngress) -> None:
    job = a_job()
    archived(ingress, job, an_end(job), cost=5)
    shown = orjson.loads((await ask(ingress, "GET", f"/v1/jobs/{job.id}")).received)
    assert (shown["status"], shown["cost"]["nanodollars"]) == ("succeeded", 5)


async def test_nothing_is_said_of_a_job_while_whoever_might_know_it_is_away(ingress: MemoryIngress) -> None:
    ingress.job_log.away = True
    call = await ask(ingress, "GET", f"/v1/jobs/{new_job_id()}")
    assert (call.status, orjson.loads(call.received)["error"]["code"]) == (503, "redis_unavailable")


@pytest.mark.parametrize("path", ["", "/events", "/cancel"])
async def test_another_tenants_job_is_as_unknown_as_one_that_never_was(ingress: MemoryIngress, path: str) -> None:
    method = "POST" if path == "/cancel" else "GET"
    job = await accepted(ingress)
    old = a_job()
    archived(ingress, old, an_end(old))
    theirs = await ask(ingress, method, f"/v1/jobs/{job.id}{path}", headers=RIVAL)
    stored = await ask(ingress, method, f"/v1/jobs/{old.id}{path}", headers=RIVAL)
    never = await ask(ingress, method, f"/v1/jobs/{new_job_id()}{path}", headers=RIVAL)
    nonsense = await ask(ingress, method, f"/v1/jobs/17{path}", headers=RIVAL)
    assert {call.status for call in (theirs, stored, never, nonsense)} == {404}
    assert orjson.loads(theirs.received)["error"]["code"] == "job_not_found"
    assert (await ingress.job_log.look(job.id)).cancel_requested is False  # type: ignore[union-attr]


# --- listing ---


async def test_the_tenants_jobs_are_listed_newest_first_in_pages(ingress: MemoryIngress) -> None:
    jobs = [a_job() for _ in range(5)]
    for job in jobs:
        archived(ingress, job, an_end(job))
    archived(ingress, a_job(tenant="rival"))
    newest_first = sorted((job.id for job in jobs), reverse=True)
    first = orjson.loads((await ask(ingress, "GET", "/v1/jobs", query="limit=3")).received)
    rest = orjson.loads((await ask(ingress, "GET", "/v1/jobs", query=f"limit=3&after={first['last_id']}")).received)
    assert [job["id"] for job in first["data"] + rest["data"]] == newest_first
    assert (first["has_more"], rest["has_more"]) == (True, False)


async def test_the_list_tells_running_from_queued(ingress: MemoryIngress) -> None:
    queued, running = await accepted(ingress), await accepted(ingress)
    for job in (queued, running):
        archived(ingress, job)
    await ingress.job_log.take(running)
    listed = orjson.loads((await ask(ingress, "GET", "/v1/jobs", query="status=running")).received)
    assert [job["id"] for job in listed["data"]] == [running.id]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "after=17", "status=lost"])
async def test_a_page_nobody_can_give_is_a_400(ingress: MemoryIngress, query: str) -> None:
    call = await ask(ingress, "GET", "/v1/jobs", query=query)
    assert (call.status, orjson.loads(call.received)["error"]["param"]) == (400, query.partition("=")[0])


# --- cancelling ---


async def test_a_job_can_be_cancelled_again_and_again(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)
    await ingress.job_log.take(job, "w3")
    for _ in range(2):
        call = await ask(ingress, "POST", f"/v1/jobs/{job.id}/cancel")
        assert (call.status, orjson.loads(call.received)["cancel_requested"]) == (200, True)
    assert ingress.job_log.told == [("w3", job.id)] * 2


async def test_a_job_that_has_ended_stays_as_it_is(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)
    await ingress.job_log.end(job, an_end(job), 2)
    call = await ask(ingress, "POST", f"/v1/jobs/{job.id}/cancel")
    assert orjson.loads(call.received)["status"] == "succeeded"


# --- following ---


async def ended_job(ingress: MemoryIngress) -> Job:
    job = await accepted(ingress)
    await ingress.job_log.take(job)
    await ingress.job_log.append(job, *(Entry(Cursor(1, seq), EventType.DELTA, a_chunk(job, "x")) for seq in (2, 3)))
    await ingress.job_log.end(job, an_end(job), 4)
    return job


ALL = [("0-1", "accepted"), ("1-1", "started"), ("1-2", "delta"), ("1-3", "delta"), ("1-4", "done")]


async def test_the_events_of_an_ended_job_can_be_read_from_the_beginning(ingress: MemoryIngress) -> None:
    job = await ended_job(ingress)
    call = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events")
    assert events_of(call) == ALL
    assert call.answer_headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize("at", range(5))
async def test_reading_goes_on_behind_the_last_event_seen(ingress: MemoryIngress, at: int) -> None:
    job = await ended_job(ingress)
    seen = ALL[at][0]
    by_header = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events", headers=AUTH | {"last-event-id": seen})
    by_query = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events", query=f"after={seen}")
    assert events_of(by_header) == events_of(by_query) == ALL[at + 1 :]
    assert by_header.status == (204 if at == 4 else 200)


async def test_a_reader_of_a_running_job_sees_each_event_as_it_comes(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)
    async with Call(ingress.app, "GET", f"/v1/jobs/{job.id}/events", AUTH) as call:
        await call.until(b"event: accepted")
        await ingress.job_log.take(job)
        await call.until(b"event: started")
        await ingress.job_log.append(job, Entry(Cursor(1, 2), EventType.DELTA, a_chunk(job, "x")))
        await call.until(b"event: delta")
        await ingress.job_log.end(job, an_end(job), 3)
        await call.ended()
    assert call.complete


async def test_a_reader_that_leaves_stops_nothing(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)
    await ingress.job_log.take(job)
    async with Call(ingress.app, "GET", f"/v1/jobs/{job.id}/events", AUTH) as call:
        await call.until(b"event: started")
        call.leave()
        await call.ended()
    assert (ingress.job_log.told, ingress.job_log.followed) == ([], 0)


async def test_when_the_replica_stops_its_readers_are_let_go_in_good_order(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)
    async with Call(ingress.app, "GET", f"/v1/jobs/{job.id}/events", AUTH) as call:
        await call.until(b"event: accepted")
        ingress.doors.stopping.set()
        await call.ended()
    assert call.complete


async def test_when_the_log_has_expired_the_end_is_told_from_the_stored_result(ingress: MemoryIngress) -> None:
    job = a_job()
    archived(ingress, job, an_end(job, status=JobStatus.SUCCEEDED, epoch=2))
    call = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events")
    assert events_of(call) == [(f"2-{STORED_SEQ}", "done")]
    again = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events", query=f"after=2-{STORED_SEQ}")
    assert again.status == 204


async def test_a_reader_whose_log_is_lost_on_the_way_still_gets_the_end() -> None:
    ingress = memory_ingress(patience=Patience(keepalive=0.02))
    job = await accepted(ingress)
    async with Call(ingress.app, "GET", f"/v1/jobs/{job.id}/events", AUTH) as call:
        await call.until(b"event: accepted")
        ingress.job_log.lose(job.id, an_end(job))
        await call.ended()
    assert events_of(call)[-1] == (f"1-{STORED_SEQ}", "done")


async def test_a_reader_of_a_job_that_never_ends_may_come_again() -> None:
    ingress = memory_ingress(patience=Patience(keepalive=0.02, grace=0))
    job = await accepted(ingress, seconds=0.05)
    call = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events")
    assert call.complete
    assert events_of(call) == [("0-1", "accepted")]


@pytest.mark.parametrize("cursor", ["x", "1", "1-", "-1-2", "1-2-3", "1" * 40 + "-1"])
async def test_a_cursor_that_is_none_is_a_400(ingress: MemoryIngress, cursor: str) -> None:
    job = await accepted(ingress)
    call = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events", headers=AUTH | {"last-event-id": cursor})
    assert (call.status, orjson.loads(call.received)["error"]["code"]) == (400, "invalid_cursor")


async def test_a_key_with_few_rights_is_held_to_them(ingress: MemoryIngress) -> None:
    narrow = {"authorization": f"Bearer {NARROW_KEY}"}
    wrong_model = await ask(ingress, "POST", "/v1/jobs", headers=narrow, body=chat_body())
    wrong_lane = await ask(ingress, "POST", "/v1/jobs", headers=narrow, body=chat_body(model="gpt-4o-mini"))
    right = await ask(
        ingress, "POST", "/v1/jobs", headers=narrow | {"x-sluice-lane": "batch"}, body=chat_body(model="gpt-4o-mini")
    )
    assert [call.status for call in (wrong_model, wrong_lane, right)] == [404, 403, 202]
