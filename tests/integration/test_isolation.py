"""Two tenants on the real servers: whatever one has, the other finds nothing of it, and cannot tell that it is there.

The walk goes along the OpenAPI documents: a path that is new is walked without anybody thinking of it, and one whose
parameters nobody here knows makes it red.
"""

import asyncio
import functools
import itertools
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field

import httpx
import orjson
import pytest
from redis.asyncio import Redis

from services.accounting.ledger.job_store import PostgresJobs
from shared.config.schema import Retention
from shared.ids import new_job_id
from shared.redis import redis_client
from tests.suites.ingress import ADMIN, OTHER_TENANTS_KEY, an_end, chat_body
from tests.suites.served_ingress import ServedIngress, fresh_place, serving_ingress, the_config, until

STRANGER = {"authorization": f"Bearer {OTHER_TENANTS_KEY}"}
SECRET = "the-word-that-only-acme-knows"
SUBMITTED = {"content-type": "application/json", "x-sluice-feature": f"feature-{SECRET}"}


@dataclass(slots=True)
class Acme:
    """What the first tenant has: jobs in every state, and the words in them."""

    jobs: dict[str, str] = field(default_factory=dict)
    """By how they stand: running, ended, archived."""


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    async with fresh_place(kafka_url, redis_url, postgres_url) as place:
        config = the_config()
        tenants = config.model_dump()["tenants"]
        tenants["acme"]["keys"]["web"]["models"] = ["*"]
        tenants["rival"]["keys"]["rival"]["models"] = ["gpt-4o"]
        async with serving_ingress(place, config=the_config(tenants=tenants)) as served:
            yield served


@pytest.fixture(scope="module")
async def acme(served: ServedIngress) -> Acme:
    acme = Acme()
    async with served.client() as client:
        for state, prompt, headers in (
            ("running", "please hang", {}),
            ("ended", "hello", {"idempotency-key": f"key-{SECRET}"}),
            ("archived", "hello", {}),
        ):
            body = orjson.dumps(
                {
                    "custom_id": f"custom-{SECRET}",
                    "body": {
                        "model": "gpt-4o",
                        "messages": [{"role": "user", "content": f"{SECRET} {prompt}"}],
                        "metadata": {"project": SECRET},
                        "user": f"user-{SECRET}",
                    },
                }
            )
            sent = await client.post("/v1/jobs", content=body, headers=SUBMITTED | headers)
            assert sent.status_code == 202, sent.text
            acme.jobs[state] = sent.json()["id"]
        for state in ("ended", "archived"):
            async with asyncio.timeout(30):
                while (await client.get(f"/v1/jobs/{acme.jobs[state]}")).json()["status"] != "succeeded":
                    await asyncio.sleep(0.02)
        await until(lambda: any(job.id == acme.jobs["running"] for job in served.worker.jobs), "one runs")
    archive = PostgresJobs(served.archive, Retention())
    known = {job.id: job for job in served.worker.jobs}
    jobs = [known[job] for job in acme.jobs.values()]  # type: ignore[index]
    await archive.accept(jobs, {})
    await archive.end([an_end(job, text=SECRET) for job in jobs if job.id != acme.jobs["running"]], {})
    redis = redis_client(served.place.redis_url, call_seconds=2)
    keys = served.worker.writer.keyspace.job(known[acme.jobs["archived"]].id)  # type: ignore[index]
    await redis.delete(keys.log, keys.claim)
    await redis.aclose(close_connection_pool=True)
    return acme


async def documents(served: ServedIngress) -> dict[str, Mapping[str, dict[str, object]]]:
    async with httpx.AsyncClient(base_url=served.url(), trust_env=False) as anybody:
        callers = (await anybody.get("/openapi.json")).json()["paths"]
        admin = (await anybody.get("/admin/v1/openapi.json")).json()["paths"]
    return {"callers": callers, "admin": admin}


PARAMETERS = {"job_id", "model"}
"""Of paths: what a stranger may try."""


def told(answer: httpx.Response, name: str) -> tuple[int, bytes, dict[str, str]]:
    """All that an answer says, but for what was asked for and what is different every time."""
    varying = {"date", "x-request-id", "content-length"}
    headers = {key: value for key, value in answer.headers.items() if key not in varying}
    return answer.status_code, answer.content.replace(name.encode(), b"?"), headers


def paths_of(paths: Mapping[str, dict[str, object]]) -> Iterator[tuple[str, str]]:
    for path, operations in paths.items():
        for method in operations:
            yield method.upper(), path


async def test_no_path_tells_another_tenants_job_from_none(served: ServedIngress, acme: Acme) -> None:
    walked = 0
    async with httpx.AsyncClient(base_url=served.url(), headers=STRANGER, timeout=20, trust_env=False) as stranger:
        for method, path in paths_of((await documents(served))["callers"]):
            names = re.findall(r"\{(\w+)(?::path)?\}", path)
            assert set(names) <= PARAMETERS, f"{path}: what may a stranger try here?"
            if names != ["job_id"]:
                continue
            for (state, theirs), again in itertools.product(acme.jobs.items(), range(2)):
                nobodys = new_job_id()
                answers = [
                    told(await stranger.request(method, path.replace("{job_id}", job)), job)
                    for job in ((theirs, nobodys) if again else (nobodys, theirs))
                ]
                assert answers[0] == answers[1], (method, path, state)
                assert answers[0][0] == 404, (method, path, state)
                walked += 1
    assert walked >= 3 * 3 * 2
    async with served.client() as owner:
        assert (await owner.get(f"/v1/jobs/{acme.jobs['running']}")).json()["cancel_requested"] is False
    assert acme.jobs["running"] not in served.worker.cancelled


async def test_no_cursor_and_no_header_opens_a_stream_of_another_tenant(served: ServedIngress, acme: Acme) -> None:
    async with httpx.AsyncClient(base_url=served.url(), headers=STRANGER, timeout=20, trust_env=False) as stranger:
        for theirs in acme.jobs.values():
            for sent in ({"last-event-id": "1-1"}, {"last-event-id": "0-1"}, {"x-sluice-job-id": theirs}):
                for path in (f"/v1/jobs/{theirs}/events", f"/v1/jobs/{theirs}/events?after=1-2"):
                    assert (await stranger.get(path, headers=sent)).status_code == 404


async def test_no_answer_to_a_stranger_holds_a_word_of_another_tenant(served: ServedIngress, acme: Acme) -> None:
    """Every path, as it is and with all that it may be asked; lists with cursors that are another tenant's."""
    heard = b""
    async with httpx.AsyncClient(base_url=served.url(), headers=STRANGER, timeout=20, trust_env=False) as stranger:
        for method, path in paths_of((await documents(served))["callers"]):
            filled = path.replace("{job_id}", acme.jobs["ended"]).replace("{model}", "tiny")
            for query in ("", *(f"?after={job}" for job in acme.jobs.values()), "?limit=100", "?status=succeeded"):
                answer = await stranger.request(method, filled + query)
                asked = f"{filled}{query}".encode()
                # What was asked for may come back in the words of an error.
                own = [job.encode() for job in acme.jobs.values() if job.encode() in asked]
                heard += functools.reduce(lambda text, job: text.replace(job, b"?"), own, answer.content)
                heard += repr(answer.headers).encode()
        listed = (await stranger.get("/v1/jobs", params={"limit": 100})).json()
    assert listed["data"] == []
    assert SECRET.encode() not in heard
    assert not [job for job in acme.jobs.values() if job.encode() in heard]
    assert b"acme" not in heard


async def test_the_same_idempotency_key_is_another_request_for_another_tenant(
    served: ServedIngress, acme: Acme
) -> None:
    async with httpx.AsyncClient(base_url=served.url(), headers=STRANGER, timeout=20, trust_env=False) as stranger:
        sent = [
            await stranger.post("/v1/jobs", content=chat_body(), headers={"idempotency-key": f"key-{SECRET}"})
            for _ in range(2)
        ]
    assert [answer.status_code for answer in sent] == [202, 202]
    assert sent[0].json()["id"] == sent[1].json()["id"] != acme.jobs["ended"]
    assert [answer.headers.get("idempotent-replayed") for answer in sent] == [None, "true"]


async def test_a_model_that_is_not_ones_own_is_like_one_that_is_not_there(served: ServedIngress) -> None:
    async with httpx.AsyncClient(base_url=served.url(), headers=STRANGER, timeout=20, trust_env=False) as stranger:
        for method, path in paths_of((await documents(served))["callers"]):
            if "{model}" not in path:
                continue
            answers = [
                told(await stranger.request(method, path.replace("{model}", name)), name)
                for name in ("tiny", "nothing")
            ]
            assert answers[0] == answers[1]
            assert answers[0][0] == 404
        for path in ("/v1/chat/completions", "/v1/jobs"):
            refused = [
                told(await stranger.post(path, content=chat_body(model=name)), name) for name in ("tiny", "nothing")
            ]
            assert refused[0] == refused[1]
            assert refused[0][0] == 404
        listed = (await stranger.get("/v1/models")).json()["data"]
    assert [each["id"] for each in listed] == ["gpt-4o"]


async def test_no_admin_path_answers_a_caller_whatever_is_there(served: ServedIngress) -> None:
    async with httpx.AsyncClient(base_url=served.url(), timeout=20, trust_env=False) as client:
        await client.post("/admin/v1/tenants", json={"tenant": "there"}, headers=ADMIN)
        await client.post("/admin/v1/tenants/there/teams", json={"team": "there"}, headers=ADMIN)
        await client.post("/admin/v1/keys", json={"tenant": "there", "id": "there"}, headers=ADMIN)
        walked = 0
        for method, path in paths_of((await documents(served))["admin"]):
            for headers in ({}, STRANGER):
                answers = [
                    told(await client.request(method, re.sub(r"\{\w+\}", name, path), headers=headers), name)
                    for name in ("there", "nowhere")
                ]
                assert answers[0] == answers[1], (method, path)
                assert answers[0][0] == 401
                walked += 1
    assert walked >= 20


async def test_a_wrong_key_is_refused_in_the_same_words_whoever_it_names(served: ServedIngress) -> None:
    wrong = [f"slk_{name}_{'e' * 64}" for name in ("web", "rival", "narrow", "nobody")]
    async with httpx.AsyncClient(base_url=served.url(), timeout=20, trust_env=False) as client:
        answers = [
            told(await client.get("/v1/models", headers={"authorization": f"Bearer {key}"}), key)
            for key in (*wrong, *wrong, "nonsense")
        ]
    assert len({repr(answer) for answer in answers}) == 1
    assert answers[0][0] == 401


async def test_metrics_name_no_tenant_no_key_and_nothing_a_caller_may_choose(served: ServedIngress, acme: Acme) -> None:
    async with httpx.AsyncClient(base_url=served.url(), headers=STRANGER, timeout=20, trust_env=False) as stranger:
        for number in range(20):
            await stranger.post("/v1/jobs", content=chat_body(model=f"free-{SECRET}-{number}"))
            await stranger.get(f"/v1/{SECRET}/{number}")
            await stranger.request(f"M{number}", "/v1/jobs")
            await stranger.get(f"/v1/jobs/{SECRET}{number}", headers={"authorization": f"Bearer slk_{SECRET}_x"})
        exposed = (await stranger.get("/metrics")).text
        series = exposed.count("\n")
        for number in range(20, 40):
            await stranger.post("/v1/jobs", content=chat_body(model=f"free-{SECRET}-{number}"))
            await stranger.get(f"/v1/{SECRET}/{number}")
        again = (await stranger.get("/metrics")).text
    assert again.count("\n") == series
    for word in (SECRET, "acme", "rival", *acme.jobs.values(), "slk_"):
        assert word not in again


async def test_every_key_in_redis_is_of_a_job_or_keeps_tenants_apart(served: ServedIngress, acme: Acme) -> None:
    """What is kept for answering again must have the tenant in its name."""
    redis: Redis = redis_client(served.place.redis_url, call_seconds=2)
    try:
        names = [name.decode() async for name in redis.scan_iter(f"{served.place.namespace}:*", count=1000)]
    finally:
        await redis.aclose(close_connection_pool=True)
    stem = re.escape(served.place.namespace)
    known = re.compile(
        rf"{stem}:(\{{s\d+\}}:job_[0-9a-f]{{32}}:(log|readers|claim)"
        r"|repeat:[0-9a-f]{64}|loads|memory|traffic|seats|standing|health"
        r"|\{rates\}:(hold:job_[0-9a-f]{32}|(key|team):[^/]+/.*|tenant:.*|model:.*)"
        r"|\{budgets:.*\}:(book|holds)|worker:.*)"
    )
    assert names
    assert [name for name in names if not known.fullmatch(name)] == []
    assert not [name for name in names if SECRET in name]


async def test_what_is_too_large_for_a_record_is_named_by_its_job_alone(served: ServedIngress, acme: Acme) -> None:
    """A file in the blob store is found by the job's record, which is read by tenant; no path takes its name."""
    for paths in (await documents(served)).values():
        assert not [path for path in paths if "blob" in path or "file" in path]
