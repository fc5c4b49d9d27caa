"""Keys of the database at two replicas on the real servers: what one of them is told, both go by within a second."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from tests.suites.ingress import ADMIN, KEY
from tests.suites.served_ingress import ServedIngress, fresh_place, serving_ingress
from tests.suites.timing import soon

A_SECOND = 1.0
NAMES = (f"key-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    async with (
        fresh_place(kafka_url, redis_url, postgres_url) as place,
        serving_ingress(place, replicas=2) as served,
    ):
        async with administrator(served) as admin:
            assert (await admin.post("/tenants", json={"tenant": "globex"})).status_code == 201
        yield served


def administrator(served: ServedIngress) -> httpx.AsyncClient:
    """At the first replica."""
    return httpx.AsyncClient(base_url=f"{served.url(0)}/admin/v1", headers=ADMIN, timeout=20, trust_env=False)


async def answers(served: ServedIngress, key: str) -> list[int]:
    """What each replica says to the key."""
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, timeout=20, trust_env=False) as caller:
        return [(await caller.get(f"{served.url(number)}/v1/models")).status_code for number in range(2)]


async def seconds_until(served: ServedIngress, key: str, status: int) -> float:
    """How long it takes until both say so. Asking may itself take a while: the last question went out after so long."""
    began = time.monotonic()
    async with asyncio.timeout(30):
        while True:
            asked_at = time.monotonic()
            if await answers(served, key) == [status, status]:
                return asked_at - began
            await asyncio.sleep(0.02)


async def a_key(served: ServedIngress, **fields: object) -> str:
    async with administrator(served) as admin:
        made = await admin.post("/keys", json={"tenant": "globex", **fields})
    assert made.status_code == 201, made.text
    key: str = made.json()["key"]
    return key


async def test_a_new_key_works_at_both_although_it_was_tried_before(served: ServedIngress) -> None:
    async def once() -> float:
        name = next(NAMES)
        assert await answers(served, f"slk_{name}_{'a' * 64}") == [401, 401]
        return await seconds_until(served, await a_key(served, id=name), 200)

    assert await soon(once, A_SECOND)
    assert await answers(served, KEY) == [200, 200]


async def test_a_revoked_key_is_refused_at_both_within_a_second(served: ServedIngress) -> None:
    async def once() -> float:
        key = await a_key(served, id=(name := next(NAMES)))
        assert await answers(served, key) == [200, 200]
        async with administrator(served) as admin:
            await admin.post(f"/keys/{name}/revoke")
        return await seconds_until(served, key, 401)

    assert await soon(once, A_SECOND)


async def test_a_blocked_tenant_is_refused_and_let_in_again(served: ServedIngress) -> None:
    async with administrator(served) as admin:
        await admin.post("/tenants", json={"tenant": "initech"})
        await admin.post("/tenants/initech/teams", json={"team": "red"})
    key = await a_key(served, tenant="initech", team="red")

    async def takes(path: str, blocked: bool) -> float:
        async with administrator(served) as admin:
            assert (await admin.patch(path, json={"blocked": blocked})).status_code == 200
        return await seconds_until(served, key, 403 if blocked else 200)

    for path in ("/tenants/initech", "/tenants/initech/teams/red"):

        async def once(path: str = path) -> float:
            return max([await takes(path, blocked) for blocked in (True, False)])

        assert await soon(once, A_SECOND)


async def test_a_change_by_hand_is_found_as_well(served: ServedIngress) -> None:
    """Nobody rings the bell: this is the look that every replica takes by itself."""

    async def once() -> float:
        key = await a_key(served, id=(name := next(NAMES)))
        assert await answers(served, key) == [200, 200]
        connection = await asyncpg.connect(served.place.postgres_url)
        try:
            await connection.execute("update api_keys set blocked = true where key_id = $1", name)
        finally:
            await connection.close()
        return await seconds_until(served, key, 403)

    assert await soon(once, A_SECOND)


async def test_a_rotated_key_keeps_working_for_its_overlap(served: ServedIngress) -> None:
    async def rotated(name: str, overlap_seconds: int) -> str:
        async with administrator(served) as admin:
            answer = await admin.post(f"/keys/{name}/rotate", json={"overlap_seconds": overlap_seconds})
        key: str = answer.json()["key"]
        return key

    async def once() -> float:
        old = await a_key(served, id=(name := next(NAMES)))
        new = await rotated(name, 3600)
        took = [await seconds_until(served, new, 200), await seconds_until(served, old, 200)]
        newest = await rotated(name, 0)
        took += [await seconds_until(served, newest, 200), await seconds_until(served, new, 401)]
        assert await answers(served, old) == [401, 401]
        return max(took)

    assert await soon(once, A_SECOND)


async def test_what_a_key_is_made_with_comes_back_and_counts(served: ServedIngress) -> None:
    fields = {
        "id": "only-mini",
        "note": "only one model",
        "models": ["gpt-4o-mini"],
        "lanes": ["batch"],
        "tags": {"cost-centre": "7"},
        "limits": {"requests_per_minute": 60, "concurrency": 4},
        "expires_at": "2099-01-01T00:00:00Z",
    }
    key = await a_key(served, **fields)
    async with administrator(served) as admin:
        shown = (await admin.get("/keys/only-mini")).json()
        assert shown["limits"] == {"requests_per_minute": 60, "tokens_per_minute": None, "concurrency": 4}
        assert {name: shown[name] for name in ("note", "models", "lanes", "tags")} == {
            name: fields[name] for name in ("note", "models", "lanes", "tags")
        }
        listed = (await admin.get("/keys", params={"tenant": "globex"})).json()["data"]
        assert shown in listed
        assert (await admin.post("/keys", json={"tenant": "globex", "id": "only-mini"})).status_code == 409
        assert (await admin.post("/keys", json={"tenant": "globex", "team": "nobody"})).status_code == 400
    async with httpx.AsyncClient(
        base_url=served.url(1), headers={"authorization": f"Bearer {key}"}, timeout=20, trust_env=False
    ) as caller:
        assert [model["id"] for model in (await caller.get("/v1/models")).json()["data"]] == ["gpt-4o-mini"]
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "metadata": {"a": "b"}}
        line = {"body": body}
        sent = await caller.post("/v1/jobs", json=line, headers={"x-sluice-lane": "batch"})
        assert sent.status_code == 202, sent.text
        job = sent.json()["id"]
    async with asyncio.timeout(30):
        while not (found := [each for each in served.worker.jobs if each.id == job]):
            await asyncio.sleep(0.02)
    assert (found[0].tenant, found[0].caller, found[0].tags) == (
        "globex",
        "only-mini",
        {"a": "b", "cost-centre": "7"},
    )
