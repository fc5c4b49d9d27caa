"""Budgets by the admin API: set, shown, removed, made with a key; and what nobody can set."""

from typing import Any

import orjson
import pytest

from services.ingress.budget_rules import BudgetRules
from services.ingress.spending import Pricing, Spending
from shared.budgets import Deployments
from shared.clock import utc_now
from shared.config.budgets import Budgets
from tests.suites.asgi import Call
from tests.suites.budgets import CONFIG, FlatPrices, MemoryBook
from tests.suites.ingress import ADMIN, CHAT, MemoryIngress, memory_ingress

BUDGETS = "/admin/v1/tenants/globex/budgets"


@pytest.fixture
async def ingress() -> MemoryIngress:
    rules, book = BudgetRules({}), MemoryBook("month", "day key=one")
    pricing = Pricing(FlatPrices(), Deployments(CONFIG), {"gpt-4o": 4096})
    spending = Spending(rules.of, book, lambda: pricing, Budgets(), utc_now)
    ingress = memory_ingress(spending=spending, rules=rules)
    for tenant in ("globex", "acme"):
        await ask(ingress, "POST", "/admin/v1/tenants", {"tenant": tenant, "time_zone": "Asia/Tokyo"})
    return ingress


async def ask(
    ingress: MemoryIngress, method: str, path: str, body: object = None, headers: dict[str, str] = ADMIN
) -> tuple[int | None, Any]:
    content = b"" if body is None else orjson.dumps(body)
    sent = headers | ({"content-type": "application/json", "content-length": str(len(content))} if content else {})
    async with Call(ingress.app, method, path, sent, content) as call:
        await call.ended()
    return call.status, orjson.loads(call.received) if call.received else None


async def a_key(ingress: MemoryIngress, **fields: object) -> str:
    status, made = await ask(ingress, "POST", "/admin/v1/keys", {"tenant": "globex", "id": "one", **fields})
    assert status == 201, made
    return str(made["key"])


async def asks_for_a_chat(ingress: MemoryIngress, key: str) -> tuple[int | None, Any]:
    await ingress.watch.look()
    headers = {"authorization": f"Bearer {key}"}
    return await ask(ingress, "POST", "/v1/jobs", {"body": {**CHAT, "max_tokens": 1000}}, headers)


async def test_a_budget_that_is_set_binds_and_one_that_is_removed_does_not(ingress: MemoryIngress) -> None:
    key = await a_key(ingress)
    status, found = await ask(ingress, "PUT", f"{BUDGETS}/month", {"dollars": "0.001"})
    assert (status, found["budget"], found["dollars"], found["set_by"]) == (200, "month", "0.001000000", "admin")
    assert found["spent_dollars"] == "0.000000000"
    assert found["time_zone"] == "Asia/Tokyo"
    status, refusal = await asks_for_a_chat(ingress, key)
    assert (status, refusal["error"]["code"]) == (429, "insufficient_quota")
    assert await ask(ingress, "DELETE", f"{BUDGETS}/month") == (204, None)
    status, _ = await asks_for_a_chat(ingress, key)
    assert status == 202


async def test_a_key_may_be_made_with_a_budget_of_its_own(ingress: MemoryIngress) -> None:
    key = await a_key(ingress, budget={"dollars": 0.001, "per": "day"})
    _, found = await ask(ingress, "GET", f"{BUDGETS}/day key=one")
    assert (found["key"], found["per"], found["hard"]) == ("one", "day", True)
    status, _ = await asks_for_a_chat(ingress, key)
    assert status == 429


async def test_to_set_a_budget_again_is_to_change_it(ingress: MemoryIngress) -> None:
    await ask(ingress, "PUT", f"{BUDGETS}/month", {"dollars": 5, "hard": False, "alerts": [90]})
    await ask(ingress, "PUT", f"{BUDGETS}/month", {"dollars": 7})
    _, listed = await ask(ingress, "GET", BUDGETS)
    assert [(each["dollars"], each["hard"], each["alerts"]) for each in listed["data"]] == [
        ("7.000000000", True, [50, 80, 100])
    ]


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("week", {"dollars": 1}, 400),
        ("month key=nobody", {"dollars": 1}, 400),
        ("month team=nobody", {"dollars": 1}, 400),
        ("month", {"dollars": 0}, 400),
        ("month", {"dollars": 1, "alerts": [101]}, 400),
        ("month", {}, 400),
        ("month model=org/model tag=a=b c", {"dollars": 1}, 200),
    ],
)
async def test_only_what_can_be_is_set(ingress: MemoryIngress, name: str, body: object, status: int) -> None:
    found, answer = await ask(ingress, "PUT", f"{BUDGETS}/{name}", body)
    assert found == status, answer


async def test_a_key_of_another_tenant_is_no_key_of_this_one(ingress: MemoryIngress) -> None:
    await a_key(ingress)
    status, _ = await ask(ingress, "PUT", "/admin/v1/tenants/acme/budgets/month key=one", {"dollars": 1})
    assert status == 400


async def test_who_is_not_there_has_no_budgets(ingress: MemoryIngress) -> None:
    nobody = "/admin/v1/tenants/nobody/budgets"
    found = [
        await ask(ingress, "GET", nobody),
        await ask(ingress, "PUT", f"{nobody}/month", {"dollars": 1}),
        await ask(ingress, "GET", f"{nobody}/month"),
        await ask(ingress, "DELETE", f"{nobody}/month"),
    ]
    assert [status for status, _ in found] == [404] * 4
