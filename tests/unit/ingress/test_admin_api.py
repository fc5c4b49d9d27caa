"""Tenants, teams and keys by the admin API: what it makes, what it shows, and whom it lets in."""

import re
from typing import Any

import orjson
import pytest

from tests.suites.asgi import Call
from tests.suites.ingress import ADMIN, AUTH, KEY, MemoryIngress, memory_ingress


@pytest.fixture
def ingress() -> MemoryIngress:
    return memory_ingress()


async def ask(
    ingress: MemoryIngress, method: str, path: str, body: object = None, headers: dict[str, str] = ADMIN
) -> tuple[int | None, Any]:
    path, _, query = path.partition("?")
    content = b"" if body is None else orjson.dumps(body)
    sent = headers | ({"content-type": "application/json", "content-length": str(len(content))} if content else {})
    async with Call(ingress.app, method, path, sent, content, query) as call:
        await call.ended()
    return call.status, orjson.loads(call.received)


async def a_key(ingress: MemoryIngress, **fields: object) -> dict[str, Any]:
    await ask(ingress, "POST", "/admin/v1/tenants", {"tenant": "globex"})
    status, made = await ask(ingress, "POST", "/admin/v1/keys", {"tenant": "globex", **fields})
    assert status == 201, made
    found: dict[str, Any] = made
    return found


async def works(ingress: MemoryIngress, key: str) -> int | None:
    await ingress.watch.look()
    status, _ = await ask(ingress, "GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
    return status


async def test_a_key_is_shown_once_and_works(ingress: MemoryIngress) -> None:
    made = await a_key(ingress, id="nightly", note="reports", tags={"cost-centre": "7"})
    assert re.fullmatch(r"slk_nightly_[0-9a-f]{64}", made["key"])
    assert await works(ingress, made["key"]) == 200
    _, shown = await ask(ingress, "GET", "/admin/v1/keys/nightly")
    assert shown == {name: value for name, value in made.items() if name != "key"}
    stored = ingress.directory.keys.records["nightly",]
    assert made["key"].rpartition("_")[2] not in repr(stored)


async def test_a_key_without_an_id_gets_one(ingress: MemoryIngress) -> None:
    first, second = await a_key(ingress), await a_key(ingress)
    assert first["id"] != second["id"]
    assert await works(ingress, first["key"]) == 200


@pytest.mark.parametrize(
    "headers", [{}, AUTH, {"authorization": f"Bearer sla_ops_{'e' * 64}"}, {"authorization": "Bearer x"}]
)
@pytest.mark.parametrize("path", ["/admin/v1/tenants", "/admin/v1/keys/web", "/admin/v1/nothing"])
async def test_nobody_without_an_admin_key_gets_in(ingress: MemoryIngress, headers: dict[str, str], path: str) -> None:
    status, answer = await ask(ingress, "GET", path, headers=headers)
    assert (status, answer["error"]["code"]) == (401, "invalid_api_key")


async def test_an_admin_key_is_no_callers_key(ingress: MemoryIngress) -> None:
    status, _ = await ask(ingress, "GET", "/v1/models", headers=ADMIN)
    assert status == 401


async def test_a_key_of_the_configuration_cannot_be_made_again(ingress: MemoryIngress) -> None:
    await ask(ingress, "POST", "/admin/v1/tenants", {"tenant": "acme"})
    status, answer = await ask(ingress, "POST", "/admin/v1/keys", {"tenant": "acme", "id": "web"})
    assert (status, answer["error"]["code"]) == (409, "name_taken")
    assert await works(ingress, KEY) == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/admin/v1/tenants", {"tenant": "globex"}),
        ("/admin/v1/tenants/globex/teams", {"team": "red"}),
        ("/admin/v1/keys", {"tenant": "globex", "id": "one"}),
    ],
)
async def test_a_name_is_given_once(ingress: MemoryIngress, path: str, body: dict[str, str]) -> None:
    await ask(ingress, "POST", "/admin/v1/tenants", {"tenant": "globex"})
    await ask(ingress, "POST", path, body)
    status, answer = await ask(ingress, "POST", path, body)
    assert (status, answer["error"]["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/admin/v1/keys", {"tenant": "nobody"}, 400),
        ("POST", "/admin/v1/keys", {"tenant": "globex", "team": "nobody"}, 400),
        ("POST", "/admin/v1/keys", {"tenant": "globex", "expires_at": "tomorrow"}, 400),
        ("POST", "/admin/v1/keys", {"tenant": "globex", "lanes": ["fast"]}, 400),
        ("POST", "/admin/v1/keys", {"tenant": "globex", "expires_at": 1}, 400),
        ("POST", "/admin/v1/keys", {"tenant": "globex", "note": "\x00"}, 400),
        ("POST", "/admin/v1/keys", {"tenant": "globex", "tags": {"\x00": ""}}, 400),
        ("GET", "/admin/v1/keys?after=%00", None, 400),
        ("PATCH", "/admin/v1/tenants/globex", {"blocked": 1}, 400),
        ("POST", "/admin/v1/keys", {"tenant": "globex", "id": "a/b"}, 400),
        ("POST", "/admin/v1/keys", {"tenant": "globex", "limits": {"requests_per_minute": 0}}, 400),
        ("POST", "/admin/v1/tenants", {"tenant": "initech", "time_zone": "Mars/Olympus"}, 400),
        ("POST", "/admin/v1/tenants", {"tenant": "initech", "surprise": 1}, 400),
        ("POST", "/admin/v1/tenants/nobody/teams", {"team": "red"}, 404),
        ("PATCH", "/admin/v1/tenants/nobody", {"note": "x"}, 404),
        ("GET", "/admin/v1/keys/nobody", None, 404),
        ("POST", "/admin/v1/keys/nobody/revoke", None, 404),
        ("DELETE", "/admin/v1/tenants/globex", None, 405),
        ("GET", "/admin/v1/nothing", None, 404),
    ],
)
async def test_what_cannot_be_done_is_refused_in_the_shape_of_all_errors(
    ingress: MemoryIngress, method: str, path: str, body: object, status: int
) -> None:
    await ask(ingress, "POST", "/admin/v1/tenants", {"tenant": "globex"})
    found, answer = await ask(ingress, method, path, body)
    assert found == status
    assert answer["error"].keys() == {"message", "type", "param", "code"}


async def test_what_a_change_does_not_say_stays(ingress: MemoryIngress) -> None:
    await a_key(ingress, id="one", models=["gpt-4o"], expires_at="2099-01-01T00:00:00Z", limits={"concurrency": 3})
    _, changed = await ask(ingress, "PATCH", "/admin/v1/keys/one", {"note": "new"})
    assert (changed["note"], changed["models"], changed["limits"]["concurrency"]) == ("new", ["gpt-4o"], 3)
    assert changed["expires_at"] == 4_070_908_800
    _, changed = await ask(ingress, "PATCH", "/admin/v1/keys/one", {"expires_at": None, "limits": {}})
    assert (changed["expires_at"], changed["limits"]["concurrency"], changed["models"]) == (None, None, ["gpt-4o"])


async def test_a_blocked_key_is_refused_until_it_is_not(ingress: MemoryIngress) -> None:
    made = await a_key(ingress, id="one")
    for blocked, status in ((True, 403), (False, 200)):
        await ask(ingress, "PATCH", "/admin/v1/keys/one", {"blocked": blocked})
        assert await works(ingress, made["key"]) == status


async def test_a_revoked_key_stays_revoked(ingress: MemoryIngress) -> None:
    made = await a_key(ingress, id="one")
    _, first = await ask(ingress, "POST", "/admin/v1/keys/one/revoke")
    status, again = await ask(ingress, "POST", "/admin/v1/keys/one/revoke")
    assert (status, again) == (200, first)
    assert await works(ingress, made["key"]) == 401
    status, answer = await ask(ingress, "POST", "/admin/v1/keys/one/rotate", {})
    assert (status, answer["error"]["code"]) == (409, "key_revoked")


async def test_a_rotated_key_and_its_successor_both_work(ingress: MemoryIngress) -> None:
    old = (await a_key(ingress, id="one"))["key"]
    _, rotated = await ask(ingress, "POST", "/admin/v1/keys/one/rotate", {"overlap_seconds": 600})
    assert [await works(ingress, key) for key in (old, rotated["key"])] == [200, 200]
    _, rotated = await ask(ingress, "POST", "/admin/v1/keys/one/rotate", {"overlap_seconds": 0})
    assert [await works(ingress, key) for key in (old, rotated["key"])] == [401, 200]


async def test_lists_come_page_by_page(ingress: MemoryIngress) -> None:
    for number in range(5):
        await ask(ingress, "POST", "/admin/v1/tenants", {"tenant": f"t{number}"})
    _, first = await ask(ingress, "GET", "/admin/v1/tenants?limit=3")
    _, rest = await ask(ingress, "GET", "/admin/v1/tenants?limit=3&after=t2")
    assert [each["tenant"] for each in first["data"] + rest["data"]] == ["t0", "t1", "t2", "t3", "t4"]
    assert (first["has_more"], rest["has_more"]) == (True, False)


async def test_a_body_that_is_too_large_is_not_read(ingress: MemoryIngress) -> None:
    status, answer = await ask(ingress, "POST", "/admin/v1/tenants", {"tenant": "x", "note": "x" * 70_000})
    assert (status, answer["error"]["code"]) == (413, "request_too_large")


async def test_without_the_database_nothing_is_changed_and_it_is_told(ingress: MemoryIngress) -> None:
    ingress.directory.away = True
    status, answer = await ask(ingress, "POST", "/admin/v1/tenants", {"tenant": "globex"})
    assert (status, answer["error"]["code"]) == (503, "postgres_unavailable")


async def test_the_admin_api_has_a_document_of_its_own_and_the_other_says_nothing_of_it(
    ingress: MemoryIngress,
) -> None:
    _, admin = await ask(ingress, "GET", "/admin/v1/openapi.json", headers={})
    _, callers = await ask(ingress, "GET", "/openapi.json", headers={})
    assert all(path.startswith("/admin/v1/") for path in admin["paths"])
    assert not any(path.startswith("/admin") for path in callers["paths"])
    for operations in admin["paths"].values():
        for operation in operations.values():
            assert {"400", "401", "405", "500", "503"} <= operation["responses"].keys()
            assert "422" not in operation["responses"]
            assert operation["security"] == [{"administrator": []}]
