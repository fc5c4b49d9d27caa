"""Budgets that are set while everything runs: in force at every replica, with what was spent before, and gone again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import httpx
import pytest

from services.accounting.ledger.usage_store import PostgresLedger
from services.accounting.wiring import wire
from shared.clock import utc_now
from shared.contracts import TokenUsage
from shared.prices import OwnPrices
from tests.suites.accounting import an_attempt, entered
from tests.suites.budgets import FlatPrices
from tests.suites.command_line import Sluice
from tests.suites.ingress import ADMIN, ADMIN_KEY, CHAT
from tests.suites.running_accounting import Place
from tests.suites.served_ingress import ServedIngress, fresh_place, serving_ingress, the_config

TENANT = "/tenants/globex"
PRICES = [{"provider": "one", "model": "*", "input": 1, "output": 2}]
BODY = CHAT | {"max_tokens": 1000}
"""Costs a fifth of a cent at most."""


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    config = the_config(prices=PRICES)
    async with (
        fresh_place(kafka_url, redis_url, postgres_url) as place,
        serving_ingress(place, replicas=2, config=config) as served,
    ):
        own = Place(kafka_url, place.postgres_url, place.topic_prefix)
        settings = own.settings(redis_url=redis_url, namespace=place.namespace)
        async with wire(settings, config, asyncio.Event()), administrator(served) as admin:
            assert (await admin.post("/tenants", json={"tenant": "globex"})).is_success
            yield served


def administrator(served: ServedIngress) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{served.url()}/admin/v1", headers=ADMIN, timeout=20, trust_env=False)


async def answers(served: ServedIngress, key: str) -> list[int]:
    """What each replica says to a request."""
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, timeout=20, trust_env=False) as caller:
        urls = [f"{served.url(number)}/v1/jobs" for number in range(2)]
        return [(await caller.post(url, json={"body": BODY})).status_code for url in urls]


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await what():
            await asyncio.sleep(0.02)


async def spend(served: ServedIngress, key: str, dollars: float) -> None:
    usage = TokenUsage(uncached_input=int(dollars * 1_000_000))
    event = an_attempt(usage=usage, at=utc_now()).model_copy(update={"tenant": "globex", "caller": key})
    await PostgresLedger(served.archive).add([entered(event, OwnPrices((), FlatPrices()))], {})


async def test_a_budget_that_is_set_binds_both_replicas_and_knows_what_was_spent(served: ServedIngress) -> None:
    async with administrator(served) as admin:
        key = (await admin.post("/keys", json={"tenant": "globex", "id": "spender"})).json()["key"]
        await spend(served, "spender", 1)
        assert await answers(served, key) == [202, 202]
        path = f"{TENANT}/budgets/month key=spender"
        made = await admin.put(path, json={"dollars": "0.999"})
        assert made.status_code == 200, made.text

        async def refused() -> bool:
            return await answers(served, key) == [429, 429]

        await until(refused)
        found = (await admin.get(path)).json()
        assert (found["in_force"], found["spent_dollars"], found["left_dollars"]) == (
            True,
            "1.000000000",
            "-0.001000000",
        )
        await spend(served, "spender", 0)
        assert (await admin.put(path, json={"dollars": "0.5", "hard": False})).json()["in_force"]

        async def let_in() -> bool:
            return await answers(served, key) == [202, 202]

        await until(let_in)
        assert (await admin.put(path, json={"dollars": "0.5"})).is_success
        await until(refused)
        assert (await admin.delete(path)).status_code == 204
        await until(let_in)
        # What was spent meanwhile, the book of Redis was told nothing of.
        await spend(served, "spender", 2)
        assert (await admin.put(path, json={"dollars": 2})).is_success
        await until(refused)
        assert (await admin.get(path)).json()["spent_dollars"] == "3.000000000"


async def test_a_budget_goes_by_the_calendar_of_its_tenant_wherever_that_moves(served: ServedIngress) -> None:
    async with administrator(served) as admin:
        await admin.post("/tenants", json={"tenant": "initech"})
        path = "/tenants/initech/budgets/day"
        assert (await admin.put(path, json={"dollars": 1})).json()["time_zone"] == "UTC"
        await admin.patch("/tenants/initech", json={"time_zone": "Pacific/Kiritimati"})

        async def moved() -> bool:
            found = (await admin.get(path)).json()
            return bool(found["in_force"]) and found["time_zone"] == "Pacific/Kiritimati"

        await until(moved)


async def test_a_key_and_its_budget_are_made_together_or_not_at_all(served: ServedIngress) -> None:
    async with administrator(served) as admin:
        asked = {"tenant": "globex", "id": "thrifty", "budget": {"dollars": "0.001", "per": "day"}}
        made = await admin.post("/keys", json=asked)
        assert made.status_code == 201, made.text
        assert (await admin.post("/keys", json=asked | {"budget": {"dollars": 100}})).status_code == 409
        listed = (await admin.get(f"{TENANT}/budgets")).json()["data"]
        assert [(each["budget"], each["dollars"]) for each in listed if each["key"] == "thrifty"] == [
            ("day key=thrifty", "0.001000000")
        ]

        async def refused() -> bool:
            return await answers(served, made.json()["key"]) == [429, 429]

        await until(refused)


async def test_the_command_line_sets_shows_and_removes_budgets(served: ServedIngress, tmp_path: Path) -> None:
    place = served.place
    told = {"SLUICE_URL": served.url(), "SLUICE_ADMIN_KEY": ADMIN_KEY, "POSTGRES_URL": place.postgres_url}
    sluice = Sluice(tmp_path, told)
    assert (await sluice("keys", "create", "globex", "--id", "intern", "--budget", "20", "--per", "day")).code == 0
    of_key = ("--per", "day", "--key", "intern")

    async def in_force() -> bool:
        async with administrator(served) as admin:
            return bool((await admin.get(f"{TENANT}/budgets/day key=intern")).json()["in_force"])

    await until(in_force)
    made = await sluice("budgets", "set", "globex", "30", *of_key, "--alert", "90", "--json")
    assert made.code == 0, made.err
    assert (made.json["dollars"], made.json["alerts"], made.json["in_force"]) == ("30.000000000", [90], True)
    shown = [line for line in (await sluice("budgets")).out.splitlines() if "intern" in line]
    assert [line.split()[4:] for line in shown] == [["$30.00", "$0.00", "$0.00", "$30.00", "0.0%", "refused", "admin"]]
    assert (await sluice("budgets", "remove", "globex", *of_key)).code == 0
    async with administrator(served) as admin:
        assert (await admin.get(f"{TENANT}/budgets/day key=intern")).status_code == 404


async def test_who_set_which_budget_is_in_the_audit_log(served: ServedIngress) -> None:
    async with administrator(served) as admin:
        path = f"{TENANT}/budgets/total model=gpt-4o"
        for dollars in (1, 1, 2):
            await admin.put(path, json={"dollars": dollars})
        await admin.delete(path)
    connection = await asyncpg.connect(served.place.postgres_url)
    try:
        rows = await connection.fetch("""
            select actor, action, details ->> 'dollars' as dollars from audit_log
            where subject = 'budget:total model=gpt-4o' order by seq
        """)
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [
        ("admin:ops", "budget_set", "1"),
        ("admin:ops", "budget_set", '["1", "2"]'),
        ("admin:ops", "budget_removed", "2"),
    ]
