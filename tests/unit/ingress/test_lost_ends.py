"""A reader is told a stored end only when the log surely has nothing more, and is not left waiting for a lost one."""

import pytest

from services.ingress.api.doors import Patience
from services.ingress.ports import JobRecord
from services.ingress.tail import STORED_SEQ
from shared.ids import JobId
from tests.suites.asgi import Call
from tests.suites.ingress import AUTH, MemoryIngress, a_job, an_end, memory_ingress
from tests.unit.ingress.test_jobs_door import accepted, archived, ask, events_of


@pytest.fixture
def ingress() -> MemoryIngress:
    return memory_ingress(patience=Patience(keepalive=0.02))


async def test_while_the_log_does_not_answer_nobody_is_told_a_stored_end(ingress: MemoryIngress) -> None:
    job = a_job()
    archived(ingress, job, an_end(job))
    ingress.job_log.away = True
    call = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events")
    assert call.status == 503
    ingress.job_log.away = False
    call = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events")
    assert events_of(call) == [(f"1-{STORED_SEQ}", "done")]


async def test_a_reader_waits_through_an_outage_for_what_the_log_still_holds(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)
    await ingress.job_log.take(job)
    async with Call(ingress.app, "GET", f"/v1/jobs/{job.id}/events", AUTH) as call:
        await call.until(b"event: started")
        archived(ingress, job, an_end(job))
        ingress.job_log.away = True
        await call.until(b": ping\n\n: ping\n\n: ping")
        ingress.job_log.away = False
        await ingress.job_log.end(job, an_end(job), seq=2)
        await call.ended()
    assert events_of(call) == [("0-1", "accepted"), ("1-1", "started"), ("1-2", "done")]


async def test_a_reader_of_a_log_that_lost_its_end_gets_the_stored_one(ingress: MemoryIngress) -> None:
    job = await accepted(ingress)
    await ingress.job_log.take(job)
    async with Call(ingress.app, "GET", f"/v1/jobs/{job.id}/events", AUTH) as call:
        await call.until(b"event: started")
        archived(ingress, job, an_end(job))
        await call.ended()
    assert events_of(call)[-1] == (f"1-{STORED_SEQ}", "done")


async def test_an_end_that_the_archive_tells_first_is_still_read_from_the_log(
    ingress: MemoryIngress, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await accepted(ingress)
    stored = archived(ingress, job, an_end(job))

    async def slow(tenant: str, of: JobId) -> JobRecord:
        """The archive takes as long to answer as the job to run."""
        await ingress.job_log.take(job)
        await ingress.job_log.end(job, an_end(job), seq=2)
        return stored

    monkeypatch.setattr(ingress.archive, "find", slow)
    call = await ask(ingress, "GET", f"/v1/jobs/{job.id}/events")
    assert events_of(call) == [("0-1", "accepted"), ("1-1", "started"), ("1-2", "done")]
