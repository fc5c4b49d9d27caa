"""Whose key it is: of the configuration or of the database, and why it is not let in."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.ingress.admission import Caller
from services.ingress.callers import Callers
from services.ingress.directory import KeyRecord, TeamRecord, TenantRecord
from services.ingress.incidents import Incidents
from services.ingress.keyring import Keyring, Turned
from services.ingress.ports import UnavailableError
from shared.config import hash_key, new_key
from shared.config.schema import Tenant
from shared.contracts import Lane
from tests.suites.directory import MemoryAuditLog, MemoryDirectory
from tests.suites.ingress import KEY, NOON, TENANTS

SOON = NOON + timedelta(seconds=10)


class World:
    def __init__(self) -> None:
        self.now = NOON
        self.directory = MemoryDirectory()
        self.keyring = Keyring(offline=timedelta(hours=1))
        self.keyring.told_anew(NOON)
        self.audit_log = MemoryAuditLog()
        self.incidents = Incidents(self.audit_log, "r1", lambda: self.now)
        self.callers = Callers(TENANTS, self.directory, self.keyring, self.incidents, lambda: self.now)

    async def key(self, **fields: object) -> str:
        """A new one in the database."""
        key = new_key("db")
        if ("globex",) not in self.directory.tenants.records:
            await self.directory.tenants.create(TenantRecord(tenant="globex", created_at=NOON, changed_at=NOON), "me")
            await self.directory.teams.create(
                TeamRecord(tenant="globex", team="red", created_at=NOON, changed_at=NOON), "me"
            )
        record = KeyRecord(key_id="db", tenant="globex", hash=hash_key(key), created_at=NOON, changed_at=NOON)
        await self.directory.keys.create(replace(record, **fields), "me")  # type: ignore[arg-type]
        return key

    async def change(self, **fields: object) -> None:
        await self.directory.keys.change(lambda record: replace(record, **fields), "me", "db")  # type: ignore[arg-type]
        changes = await self.directory.changes(0)
        self.keyring.told(changes.changes, self.now)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_key_of_the_configuration_needs_no_database(world: World) -> None:
    world.directory.away = True
    found = await world.callers.of_key(KEY)
    assert isinstance(found, Caller)
    assert (found.tenant, found.key_id) == ("acme", "web")


async def test_a_key_of_the_database_is_asked_for_once(world: World) -> None:
    key = await world.key(team="red", models=("gpt-4o",), lanes=(Lane.BATCH,), tags={"cost-centre": "7"})
    for _ in range(3):
        found = await world.callers.of_key(key)
        assert found == Caller(
            "globex", "db", frozenset({"gpt-4o"}), frozenset({Lane.BATCH}), "red", {"cost-centre": "7"}
        )
    assert world.directory.asked == ["db"]


async def test_a_wrong_secret_and_an_unknown_id_take_the_same_way(world: World) -> None:
    await world.key()
    for wrong in (new_key("db"), new_key("nobody"), new_key("web")):
        world.directory.asked.clear()
        assert await world.callers.of_key(wrong) is Turned.UNKNOWN
        assert await world.callers.of_key(wrong) is Turned.UNKNOWN
        assert len(world.directory.asked) == 1


async def test_what_is_no_key_is_not_looked_up(world: World) -> None:
    assert await world.callers.of_key("sk-something") is Turned.UNKNOWN
    assert world.directory.asked == []


async def test_an_id_of_the_configuration_is_nobody_elses(world: World) -> None:
    key = await world.key()
    world.directory.keys.records["web",] = replace(
        world.directory.keys.records["db",], key_id="web", hash=hash_key(key.replace("slk_db", "slk_web"))
    )
    assert await world.callers.of_key(key.replace("slk_db", "slk_web")) is Turned.UNKNOWN


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"revoked_at": NOON}, Turned.REVOKED),
        ({"blocked": True}, Turned.BLOCKED),
        ({"expires_at": NOON}, Turned.EXPIRED),
    ],
)
async def test_whoever_has_the_right_secret_is_told_why_it_is_refused(
    world: World, fields: dict[str, object], why: Turned
) -> None:
    key = await world.key(**fields)
    assert await world.callers.of_key(key) is why
    assert await world.callers.of_key(new_key("db")) is Turned.UNKNOWN


@pytest.mark.parametrize("kind", ["tenants", "teams"])
async def test_a_blocked_tenant_or_team_blocks_its_keys(world: World, kind: str) -> None:
    key = await world.key(team="red")
    records = getattr(world.directory, kind)
    name = next(iter(records.records))
    await records.change(lambda record: replace(record, blocked=True), "me", *name)
    assert await world.callers.of_key(key) is Turned.BLOCKED


async def test_a_key_expires_while_it_is_remembered(world: World) -> None:
    key = await world.key(expires_at=SOON)
    assert isinstance(await world.callers.of_key(key), Caller)
    world.now = SOON
    assert await world.callers.of_key(key) is Turned.EXPIRED


@pytest.mark.parametrize(("at", "old_works"), [(NOON, True), (SOON - timedelta(milliseconds=1), True), (SOON, False)])
async def test_a_rotated_key_works_beside_the_new_one_for_a_while(world: World, at: datetime, old_works: bool) -> None:
    old, new = await world.key(), new_key("db")
    assert isinstance(await world.callers.of_key(old), Caller)
    await world.change(hash=hash_key(new), previous_hash=hash_key(old), previous_until=SOON)
    world.now = at
    assert isinstance(await world.callers.of_key(new), Caller)
    assert isinstance(await world.callers.of_key(old), Caller) is old_works


async def test_a_revoked_key_is_refused_when_the_change_is_told(world: World) -> None:
    key = await world.key()
    assert isinstance(await world.callers.of_key(key), Caller)
    await world.change(revoked_at=NOON)
    assert await world.callers.of_key(key) is Turned.REVOKED


async def test_without_the_database_known_keys_work_and_others_are_told_to_come_again(world: World) -> None:
    key = await world.key()
    assert isinstance(await world.callers.of_key(key), Caller)
    world.directory.away = True
    assert isinstance(await world.callers.of_key(key), Caller)
    with pytest.raises(UnavailableError):
        await world.callers.of_key(new_key("db"))
    world.now = NOON + timedelta(hours=1, seconds=1)
    with pytest.raises(UnavailableError):
        await world.callers.of_key(key)


async def test_when_the_configuration_changes_its_new_keys_are_taken_and_those_that_are_gone_are_not(
    world: World,
) -> None:
    other = new_key("web")
    sections = {"keys": {"web": {"hash": hash_key(other)}, "mobile": {"hash": hash_key(mobile := new_key("mobile"))}}}
    world.callers.go_by({"acme": Tenant.model_validate(sections)})
    assert await world.callers.of_key(KEY) is Turned.UNKNOWN
    for key, key_id in ((other, "web"), (mobile, "mobile")):
        found = await world.callers.of_key(key)
        assert isinstance(found, Caller)
        assert found.key_id == key_id
    assert world.callers.named("mobile").tenant == "acme"


async def test_limits_that_the_configuration_now_has_for_a_tenant_hold_for_keys_of_the_database_at_once(
    world: World,
) -> None:
    key = await world.key()
    before = await world.callers.of_key(key)
    world.callers.go_by({"globex": Tenant.model_validate({"limits": {"requests_per_minute": 7}})})
    after = await world.callers.of_key(key)
    assert isinstance(before, Caller)
    assert isinstance(after, Caller)
    assert (before.tenant_limits.requests_per_minute, after.tenant_limits.requests_per_minute) == (None, 7)


async def test_a_key_of_the_database_whose_id_the_configuration_now_uses_is_let_in_no_more(world: World) -> None:
    key = await world.key()
    assert isinstance(await world.callers.of_key(key), Caller)
    world.callers.go_by({"acme": Tenant.model_validate({"keys": {"db": {"hash": hash_key(new_key("db"))}}})})
    assert await world.callers.of_key(key) is Turned.UNKNOWN
