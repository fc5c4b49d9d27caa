"""Bodies that no record carries: left in the store before the job is queued, few at a time, and answers likewise."""

import asyncio
from datetime import timedelta

import orjson
import pytest
from starlette.requests import Request
from starlette.types import Message

from services.ingress.api.body import whole_body
from services.ingress.api.problems import ProblemError
from services.ingress.api.upload import LargeBodies
from shared.blobs import INLINE_BYTES, Part, blob_key
from shared.contracts import BlobRef
from tests.suites.asgi import Call
from tests.suites.ingress import AUTH, CHAT, MemoryIngress, a_job, an_end, chat_body, memory_ingress

JSONL = AUTH | {"content-type": "application/jsonl"}
LARGE = "x" * (INLINE_BYTES + 1)


@pytest.fixture
def ingress() -> MemoryIngress:
    return memory_ingress(body_bytes=4_000_000)


async def post(ingress: MemoryIngress, body: bytes, headers: dict[str, str] = AUTH) -> Call:
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    async with Call(ingress.app, "POST", "/v1/jobs", headers, pieces) as call:
        await call.ended()
    return call


async def test_a_large_body_is_in_the_store_before_its_job_is_queued(ingress: MemoryIngress) -> None:
    call = await post(ingress, chat_body(user="u1", image=LARGE))
    (job,) = ingress.queue.jobs
    assert (call.status, job.user, job.body) == (202, "u1", {})
    assert job.body_blob is not None
    assert orjson.loads(ingress.blobs.kept[job.body_blob.key]) == CHAT | {"user": "u1", "image": LARGE}
    assert job.body_blob.size == len(ingress.blobs.kept[job.body_blob.key])
    assert len(job.to_bytes()) < 2000


async def test_it_is_kept_an_hour_longer_than_its_job_may_run(ingress: MemoryIngress) -> None:
    await post(ingress, chat_body(image=LARGE))
    (job,) = ingress.queue.jobs
    assert job.body_blob is not None
    assert job.body_blob.key == blob_key(job.deadline + timedelta(hours=1), "acme", job.id, Part.REQUEST)


async def test_what_a_record_can_carry_stays_in_it(ingress: MemoryIngress) -> None:
    await post(ingress, chat_body(image="x" * (INLINE_BYTES - 1000)))
    (job,) = ingress.queue.jobs
    assert job.body_blob is None
    assert ingress.blobs.kept == {}


async def test_without_the_store_a_large_request_is_asked_to_come_again(ingress: MemoryIngress) -> None:
    ingress.blobs.away = True
    call = await post(ingress, chat_body(image=LARGE))
    assert (call.status, orjson.loads(call.received)["error"]["code"]) == (503, "blobs_unavailable")
    assert "retry-after" in call.answer_headers
    assert ingress.queue.jobs == []


async def test_a_request_that_is_refused_leaves_nothing(ingress: MemoryIngress) -> None:
    call = await post(ingress, chat_body(model="unknown", image=LARGE))
    assert (call.status, ingress.blobs.kept) == (404, {})


async def test_large_lines_among_small_ones_are_left_one_by_one(ingress: MemoryIngress) -> None:
    lines = [chat_body(user="1"), chat_body(user="2", image=LARGE), chat_body(user="3"), chat_body(image=LARGE)]
    call = await post(ingress, b"\n".join(lines), JSONL)
    assert [orjson.loads(line)["status"] for line in call.received.splitlines()] == ["queued"] * 4
    assert [job.body_blob is not None for job in ingress.queue.jobs] == [False, True, False, True]
    assert not ingress.doors.large.places.locked()


async def test_a_large_answer_is_whole_again_for_its_reader(ingress: MemoryIngress) -> None:
    job = a_job()
    ended = an_end(job, text="All of it.")
    blob = await ingress.blobs.leave("2099-01-01T00/acme/x/response-1", orjson.dumps(ended.response))
    await ingress.job_log.take(job)
    await ingress.job_log.end(job, ended.model_copy(update={"response": None, "response_blob": blob}), 2)
    async with Call(ingress.app, "GET", f"/v1/jobs/{job.id}", AUTH) as call:
        await call.ended()
    assert orjson.loads(call.received)["response"] == ended.response
    async with Call(ingress.app, "GET", f"/v1/jobs/{job.id}/events", AUTH) as call:
        await call.ended()
    assert b"All of it." in call.received
    assert b"response_blob" not in call.received


async def test_a_large_answer_that_is_gone_is_told_as_an_error(ingress: MemoryIngress) -> None:
    job = a_job()
    gone = BlobRef(key="2020-01-01T00/acme/x/response-1", size=10)
    ended = an_end(job).model_copy(update={"response": None, "response_blob": gone})
    await ingress.job_log.take(job)
    await ingress.job_log.end(job, ended, 2)
    async with Call(ingress.app, "GET", f"/v1/jobs/{job.id}", AUTH) as call:
        await call.ended()
    shown = orjson.loads(call.received)
    assert (shown["status"], shown["response"], shown["error"]["code"]) == ("succeeded", None, "answer_gone")


# --- places ---


class Sender:
    """A client that sends when it is told to."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def receive(self) -> Message:
        piece = await self.pieces.get()
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    def send(self, *pieces: bytes | None) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)

    def request(self) -> Request:
        return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, self.receive)


async def read(sender: Sender, large: LargeBodies) -> int:
    async with whole_body(sender.request(), 4_000_000, large) as body:
        return len(body)


async def test_the_next_large_body_is_not_read_before_one_has_left() -> None:
    large = LargeBodies(1)
    first, second = Sender(), Sender()
    reading = asyncio.create_task(read(first, large))
    first.send(LARGE.encode())
    async with asyncio.timeout(30):
        while not large.places.locked():
            await asyncio.sleep(0)
    waiting = asyncio.create_task(read(second, large))
    second.send(LARGE.encode(), b"y", None)
    async with asyncio.timeout(30):
        while second.pieces.qsize() > 2:
            await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert second.pieces.qsize() == 2  # what lies behind is still on its way
    first.send(None)
    assert await reading == len(LARGE)
    assert await waiting == len(LARGE) + 1


async def test_who_finds_no_place_in_time_is_asked_to_come_again() -> None:
    large = LargeBodies(1, wait_seconds=0.01)
    await large.places.acquire()
    sender = Sender()
    sender.send(LARGE.encode(), None)
    with pytest.raises(ProblemError) as refused:
        await read(sender, large)
    assert (refused.value.problem.status, refused.value.problem.code) == (503, "large_requests_busy")


async def test_who_only_trickles_loses_the_place() -> None:
    large = LargeBodies(1, upload_seconds=0.05)
    sender = Sender()
    sender.send(LARGE.encode())
    with pytest.raises(ProblemError) as refused:
        await read(sender, large)
    assert refused.value.problem.status == 408
    assert not large.places.locked()


async def test_small_bodies_need_no_place() -> None:
    large = LargeBodies(1, wait_seconds=0.01)
    await large.places.acquire()
    sender = Sender()
    sender.send(b"small", None)
    assert await read(sender, large) == 5
