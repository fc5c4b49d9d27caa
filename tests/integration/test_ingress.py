"""Ingress on the real servers, from outside: the official OpenAI client, curl-like calls, and any Kafka producer."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import openai
import orjson
import pytest

from services.accounting.ledger.job_store import PostgresJobs
from services.accounting.ledger.usage_store import PostgresLedger
from shared.config.schema import Retention
from shared.contracts import Door, JobStatus, Lane, TokenUsage
from shared.ids import completion_id, new_job_id
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import an_attempt, entered
from tests.suites.ingress import CHAT, KEY, a_job, an_end, chat_body
from tests.suites.served_ingress import Place, ServedIngress, serving_ingress, until


@pytest.fixture
async def served(place: Place) -> AsyncIterator[ServedIngress]:
    async with serving_ingress(place, replicas=2) as served:
        yield served


@pytest.fixture
async def client(served: ServedIngress) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{served.url()}/v1", max_retries=0) as client:
        yield client


def says(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def frames(text: str) -> list[dict[str, str]]:
    """The events of an SSE body."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


# --- the official client ---


async def test_the_official_client_gets_a_whole_completion(client: openai.AsyncOpenAI, served: ServedIngress) -> None:
    answer = await client.chat.completions.create(
        model="gpt-4o", messages=says("hi"), extra_body={"made_up": {"by": "us"}}, metadata={"feature": "search"}
    )
    assert answer.choices[0].message.content == "Hello."
    (job,) = served.worker.jobs
    assert answer.id == completion_id(job.id)
    assert job.body["made_up"] == {"by": "us"}
    assert (job.tenant, job.caller, job.door, job.lane, job.feature) == (
        "acme",
        "web",
        Door.CHAT,
        "interactive",
        "search",
    )
    assert job.input_tokens > 3


async def test_the_official_client_reads_a_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="gpt-4o", messages=says("hi"), stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello."
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_official_client_lists_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["gpt-4o", "gpt-4o-mini", "tiny"]
    assert (await client.models.retrieve("gpt-4o")).owned_by == "sluice"


async def test_the_official_client_raises_what_it_raises_for_openai(
    client: openai.AsyncOpenAI, served: ServedIngress
) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        await client.chat.completions.create(model="gpt-9", messages=says("hi"))
    with pytest.raises(openai.BadRequestError) as too_long:
        await client.chat.completions.create(model="tiny", messages=says("one two three four " * 20))
    assert too_long.value.code == "context_length_exceeded"
    with pytest.raises(openai.RateLimitError):
        await client.chat.completions.create(model="gpt-4o", messages=says("please fail"), stream=True)
    with pytest.raises(openai.RateLimitError):
        await client.chat.completions.create(model="gpt-4o", messages=says("please fail"))
    stream = await client.chat.completions.create(model="gpt-4o", messages=says("please break"), stream=True)
    with pytest.raises(openai.APIError, match="Cut"):
        [_ async for _ in stream]
    async with openai.AsyncOpenAI(api_key="sk-wrong", base_url=f"{served.url()}/v1", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()


async def test_when_the_official_client_goes_away_the_worker_is_told(
    client: openai.AsyncOpenAI, served: ServedIngress
) -> None:
    stream = await client.chat.completions.create(model="gpt-4o", messages=says("just hang"), stream=True)
    async for _ in stream:
        break
    await stream.close()
    await until(lambda: served.worker.cancelled == [served.worker.jobs[0].id], "the job is cancelled")


# --- jobs ---


async def test_a_job_is_followed_at_one_replica_and_resumed_at_the_other(served: ServedIngress) -> None:
    async with served.client(0) as one, served.client(1) as other:
        accepted = await one.post("/v1/jobs", content=chat_body())
        job = accepted.headers["location"]
        whole = frames((await one.get(f"{job}/events")).text)
        assert [event["event"] for event in whole] == ["accepted", "started", "delta", "delta", "delta", "done"]
        for at, event in enumerate(whole[:-1]):
            rest = await other.get(f"{job}/events", headers={"last-event-id": event["id"]})
            assert frames(rest.text) == whole[at + 1 :]
        assert (await other.get(f"{job}/events", params={"after": whole[-1]["id"]})).status_code == 204
        shown = (await other.get(job)).json()
    assert (shown["status"], shown["response"]["choices"][0]["message"]["content"]) == ("succeeded", "Hello.")
    assert orjson.loads(whole[-1]["data"])["response"] == shown["response"]


async def test_a_job_that_hangs_is_running_until_it_is_cancelled(served: ServedIngress) -> None:
    async with served.client() as client:
        job = (await client.post("/v1/jobs", content=chat_body(messages=says("hang")))).headers["location"]
        async with client.stream("GET", f"{job}/events") as events:
            lines = events.aiter_lines()
            while "Hm" not in await anext(lines):
                pass
            assert (await client.get(job)).json()["status"] == "running"
            cancelled = await client.post(f"{job}/cancel")
            assert cancelled.json()["cancel_requested"]
            rest = [line async for line in lines]
        assert any("event: cancelled" in line for line in rest)
        assert (await client.get(job)).json()["status"] == "cancelled"


async def test_jsonl_is_queued_in_the_batch_lane_without_deltas(served: ServedIngress) -> None:
    lines = [orjson.dumps({"custom_id": f"c{n}", "body": CHAT}) for n in range(200)] + [b"oops"]
    async with served.client() as client:
        answer = await client.post("/v1/jobs", content=b"\n".join(lines), headers={"content-type": "application/jsonl"})
    answers = [orjson.loads(line) for line in answer.text.splitlines()]
    assert [each.get("custom_id") for each in answers] == [f"c{n}" for n in range(200)] + [None]
    assert answers[-1]["error"]["code"] == "malformed_json"
    await until(lambda: len(served.worker.jobs) == 200, "all jobs reach the worker")
    assert {(job.lane, job.streamed) for job in served.worker.jobs} == {(Lane.BATCH, False)}
    assert {job.id for job in served.worker.jobs} == {each["id"] for each in answers[:-1]}


async def test_the_trace_of_a_request_goes_on_with_its_job(served: ServedIngress) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with served.client() as client:
        await client.post("/v1/jobs", content=chat_body(), headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    await until(lambda: bool(served.worker.traceparents), "the job arrives")
    assert served.worker.traceparents[0].split("-")[1] == trace


# --- the archive ---


async def test_a_job_that_only_the_archive_knows_is_shown_with_its_cost(served: ServedIngress) -> None:
    jobs, ledger = PostgresJobs(served.archive, Retention()), PostgresLedger(served.archive)
    job = a_job()
    ended = an_end(job, status=JobStatus.SUCCEEDED, text="Stored.")
    attempt = an_attempt(
        job=job.id,
        tenant="acme",
        provider="openai",
        upstream="gpt-4o-mini",
        usage=TokenUsage(uncached_input=12, output=3),
    )
    await jobs.accept([job], {})
    await jobs.end([ended], {})
    async with served.client() as client:
        unpriced = (await client.get(f"/v1/jobs/{job.id}")).json()
        await ledger.add([entered(attempt, OwnPrices((), GenaiPrices({})))], {})
        shown = (await client.get(f"/v1/jobs/{job.id}")).json()
        events = frames((await client.get(f"/v1/jobs/{job.id}/events")).text)
    assert unpriced["cost"] is None
    assert (shown["status"], shown["response"]["choices"][0]["message"]["content"]) == ("succeeded", "Stored.")
    assert shown["cost"] == {"nanodollars": 3600, "dollars": "0.000003600"}
    assert [event["event"] for event in events] == ["done"]


async def test_the_archive_is_listed_in_pages_of_the_tenants_own(served: ServedIngress) -> None:
    jobs = PostgresJobs(served.archive, Retention())
    mine, theirs = [a_job() for _ in range(7)], [a_job(tenant="rival") for _ in range(3)]
    await jobs.accept([*mine, *theirs], {})
    await jobs.end([an_end(mine[0])], {})
    found: list[str] = []
    async with served.client() as client:
        cursor: dict[str, str] = {}
        while True:
            page = (await client.get("/v1/jobs", params={"limit": "3", **cursor})).json()
            found += [job["id"] for job in page["data"]]
            if not page["has_more"]:
                break
            cursor = {"after": page["last_id"]}
        done = (await client.get("/v1/jobs", params={"status": "succeeded"})).json()
    assert found == sorted((job.id for job in mine), reverse=True)
    assert [job["id"] for job in done["data"]] == [mine[0].id]


async def test_an_unknown_job_is_a_404(served: ServedIngress) -> None:
    async with served.client() as client:
        assert (await client.get(f"/v1/jobs/{new_job_id()}")).status_code == 404


# --- the connection itself ---


async def test_a_client_may_keep_its_connection_over_streams(served: ServedIngress) -> None:
    async with served.client() as client:
        for _ in range(3):
            answer = await client.post("/v1/chat/completions", content=chat_body(stream=True))
            assert answer.text.endswith("data: [DONE]\n\n")
        assert (await client.get("/v1/models")).status_code == 200


async def test_hundreds_of_streams_at_once_are_all_whole(served: ServedIngress) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=served.url(), headers={"authorization": f"Bearer {KEY}"}, timeout=60, limits=limits, trust_env=False
    ) as client:
        answers = await asyncio.gather(
            *(client.post("/v1/chat/completions", content=chat_body(stream=True)) for _ in range(100))
        )
    assert {len(frames(answer.text)) for answer in answers} == {4}
    assert {answer.status_code for answer in answers} == {200}
