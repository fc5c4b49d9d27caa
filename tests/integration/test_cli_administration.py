"""`sluice tenants`, `teams`, `keys` and `audit` at a gateway on the real servers, as processes of their own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.exit_codes import ExitCode
from tests.suites.command_line import Sluice
from tests.suites.ingress import ADMIN_KEY
from tests.suites.served_ingress import ServedIngress, fresh_place, serving_ingress


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    async with fresh_place(kafka_url, redis_url, postgres_url) as place, serving_ingress(place) as served:
        yield served


@pytest.fixture
def sluice(served: ServedIngress, tmp_path: Path) -> Sluice:
    place = served.place
    told = {
        "SLUICE_URL": served.url(),
        "SLUICE_ADMIN_KEY": ADMIN_KEY,
        "KAFKA_URL": place.kafka_url,
        "POSTGRES_URL": place.postgres_url,
        "SLUICE_TOPIC_PREFIX": place.topic_prefix,
    }
    return Sluice(tmp_path, told)


TERMS = ("--tag", "a=b", "--requests-per-minute", "60")


async def answer(served: ServedIngress, key: str) -> tuple[int, str]:
    async with httpx.AsyncClient(base_url=served.url(), timeout=20, trust_env=False) as caller:
        found = await caller.get("/v1/models", headers={"authorization": f"Bearer {key}"})
    return found.status_code, "" if found.is_success else found.json()["error"]["code"]


async def until_answered(served: ServedIngress, key: str, expected: tuple[int, str]) -> None:
    """What was changed is known at the doors a moment later."""
    async with asyncio.timeout(30):
        while await answer(served, key) != expected:
            await asyncio.sleep(0.02)


async def test_a_key_from_its_making_to_its_end(sluice: Sluice, served: ServedIngress) -> None:
    made = await sluice("tenants", "create", "globex", "--requests-per-minute", "600", "--json")
    assert made.json["limits"]["requests_per_minute"] == 600
    assert (await sluice("teams", "create", "globex", "red", "--concurrency", "5")).code == 0
    key = (await sluice("keys", "create", "globex", "--id", "one", "--team", "red", *TERMS)).out.strip()
    assert await answer(served, key) == (200, "")

    changed = await sluice("keys", "change", "one", "--concurrency", "2", "--expires", "2099-01-31", "--json")
    assert changed.json["limits"] == {"requests_per_minute": 60, "tokens_per_minute": None, "concurrency": 2}
    assert (changed.json["tags"], changed.json["expires_at"]) == ({"a": "b"}, 4_073_500_800)

    rotated = (await sluice("keys", "rotate", "one", "--overlap", "600", "--json")).json["key"]
    assert [await answer(served, each) for each in (key, rotated)] == [(200, ""), (200, "")]
    assert (await sluice("keys", "revoke", "one")).code == 0
    await until_answered(served, rotated, (401, "api_key_revoked"))

    told = (await sluice("audit", "list", "--tenant", "globex", "--json")).json
    assert [each["action"] for each in reversed(told)] == [
        "tenant_created",
        "team_created",
        "key_created",
        "limits_changed",
        "key_rotated",
        "key_revoked",
    ]


async def test_what_cannot_be_done_is_one_line_and_an_exit_code(sluice: Sluice) -> None:
    unknown = await sluice("tenants", "show", "nobody")
    assert (unknown.code, unknown.err) == (ExitCode.SETUP, "sluice: No tenant 'nobody'.\n")
    wrong = await sluice("tenants", "list", SLUICE_ADMIN_KEY="sla_ops_" + "0" * 64)
    assert wrong.code == ExitCode.SETUP
    assert "SLUICE_ADMIN_KEY" in wrong.err
    without = await sluice("keys", "list", SLUICE_ADMIN_KEY="")
    assert without.code == ExitCode.SETUP
    assert "--admin" in without.err
