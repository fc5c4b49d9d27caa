"""With real servers: what workers show, and that there are none, decides what is accepted."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import orjson
import pytest

from shared.contracts import Lane
from shared.load import WorkerLoad
from tests.suites.ingress import CHAT, OTHER_TENANTS_KEY, chat_body
from tests.suites.served_ingress import IDLE, ServedIngress, fresh_place, lane_load, serving_ingress, until

JOBS = "/v1/jobs"
RIVAL = {"authorization": f"Bearer {OTHER_TENANTS_KEY}"}


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    async with fresh_place(kafka_url, redis_url, postgres_url) as place, serving_ingress(place) as served:
        yield served


@pytest.fixture
async def client(served: ServedIngress) -> AsyncIterator[httpx.AsyncClient]:
    async with served.client() as client:
        yield client
        await served.worker.shows(IDLE)
        await answered(client, 202, deadline="1")


def busy(**fields: object) -> WorkerLoad:
    """One slot, a second for each job."""
    return WorkerLoad(beat=0, lanes=IDLE.lanes | {Lane.INTERACTIVE: lane_load(slots=1, free=0, **fields)})


async def answered(
    client: httpx.AsyncClient, status: int, *, deadline: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    """The first answer with this status: what workers show is known a second later."""
    async with asyncio.timeout(20):
        while True:
            asked = {"x-sluice-deadline": deadline} | (headers or {})
            answer = await client.post(JOBS, content=chat_body(), headers=asked)
            if answer.status_code == status:
                return answer
            await asyncio.sleep(0.1)


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def test_without_a_worker_a_job_that_would_expire_is_refused_and_a_patient_one_accepted(
    served: ServedIngress, client: httpx.AsyncClient
) -> None:
    await answered(client, 202, deadline="1")
    await served.worker.shows(None)
    refused = await answered(client, 503, deadline="1")
    assert code_of(refused) == "no_workers"
    assert int(refused.headers["retry-after"]) > 0
    await answered(client, 202, deadline="600")
    await served.worker.shows(IDLE)
    await answered(client, 202, deadline="1")


async def test_the_tenant_whose_own_jobs_wait_is_told_when_to_come_again_and_others_are_accepted(
    served: ServedIngress, client: httpx.AsyncClient
) -> None:
    await served.worker.shows(busy(waiting={"acme": 1000}))
    refused = await answered(client, 429, deadline="100")
    assert (code_of(refused), refused.json()["error"]["type"]) == ("own_backlog", "rate_limit_error")
    assert 890 < int(refused.headers["retry-after"]) < 1000
    assert (await client.post(JOBS, content=chat_body(), headers=RIVAL | {"x-sluice-deadline": "100"})).is_success


async def test_when_others_work_waits_everybody_is_told_so(served: ServedIngress, client: httpx.AsyncClient) -> None:
    await served.worker.shows(busy(unnamed=1000))
    refused = await answered(client, 503, deadline="100", headers=RIVAL)
    assert code_of(refused) == "overloaded"
    chat = await client.post("/v1/chat/completions", content=chat_body(stream=True), headers={"x-sluice-deadline": "9"})
    assert (chat.status_code, code_of(chat)) == (503, "overloaded")
    assert "x-sluice-job-id" not in chat.headers


async def test_the_other_lane_and_the_submit_topic_take_jobs_meanwhile(
    served: ServedIngress, client: httpx.AsyncClient
) -> None:
    await served.worker.shows(busy(unnamed=1000))
    await answered(client, 503, deadline="100")
    await served.publish(
        chat_body(user="by topic"), headers=[("sluice-lane", b"interactive"), ("sluice-deadline", b"60")]
    )
    lines = b"\n".join(orjson.dumps({"custom_id": str(number), "body": CHAT}) for number in range(3))
    jsonl = {"content-type": "application/jsonl"}
    accepted = await client.post(JOBS, content=lines, headers=jsonl)
    assert {orjson.loads(line)["status"] for line in accepted.text.splitlines()} == {"queued"}
    refused = await client.post(
        JOBS, content=lines, headers=jsonl | {"x-sluice-lane": "interactive", "x-sluice-deadline": "60"}
    )
    assert {orjson.loads(line)["error"]["code"] for line in refused.text.splitlines()} == {"overloaded"}
    await until(lambda: "by topic" in {job.user for job in served.worker.jobs}, "the record becomes a job")


async def test_what_was_promised_a_moment_ago_counts_before_any_worker_tells_of_it(
    served: ServedIngress, client: httpx.AsyncClient
) -> None:
    await served.worker.shows(busy(job_seconds=5.0))
    await answered(client, 503, deadline="1", headers=RIVAL)  # known by now
    answers = await asyncio.gather(
        *(client.post(JOBS, content=chat_body(), headers={"x-sluice-deadline": "30"}) for _ in range(60))
    )
    refused = {code_of(answer) for answer in answers if answer.status_code != 202}
    assert refused == {"own_backlog"}
    assert sum(answer.status_code == 202 for answer in answers) < 20
