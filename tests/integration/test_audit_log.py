"""The audit log on the real servers: what administrators do is in it, and nobody can change it unseen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from cli.auditing.verifying import Verified, verified
from cli.environment import Environment, discover
from services.accounting.ledger.engine import engine_for
from services.accounting.migrations import migrate
from shared.audit import Event, append
from shared.clock import utc_now
from shared.contracts import AuditAction, AuditEntry
from shared.topics import AUDIT
from tests.suites.ingress import ADMIN
from tests.suites.served_ingress import Place, ServedIngress, fresh_place, serving_ingress


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    async with fresh_place(kafka_url, redis_url, postgres_url) as place, serving_ingress(place) as served:
        yield served


@pytest.fixture
def environment(served: ServedIngress, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return of(served.place, tmp_path_factory)


def of(place: Place, folder: pytest.TempPathFactory) -> Environment:
    variables = {
        "KAFKA_URL": place.kafka_url,
        "REDIS_URL": place.redis_url,
        "POSTGRES_URL": place.postgres_url,
        "SLUICE_TOPIC_PREFIX": place.topic_prefix,
    }
    return discover(variables, folder.mktemp("nowhere"))


async def on_topic(served: ServedIngress, subject: str) -> AuditEntry:
    """The first entry about it."""
    topic = AUDIT.at(served.place.topic_prefix)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=served.place.kafka_url, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            async for record in consumer:
                entry = AuditEntry.model_validate_json(record.value)
                assert record.key == entry.tenant.encode()
                if entry.subject == subject:
                    return entry
    finally:
        await consumer.stop()
    raise AssertionError(subject)


async def test_what_administrators_do_is_in_the_log_and_on_the_topic(
    served: ServedIngress, environment: Environment
) -> None:
    url = f"{served.url()}/admin/v1"
    async with httpx.AsyncClient(base_url=url, headers=ADMIN, timeout=20, trust_env=False) as admin:
        await admin.post("/tenants", json={"tenant": "globex"})
        await admin.post("/keys", json={"tenant": "globex", "id": "one"})
        await admin.post("/keys", json={"tenant": "globex", "id": "one"})  # taken: nothing was done
        await asyncio.gather(
            *(admin.patch("/keys/one", json={"limits": {"concurrency": most}}) for most in range(1, 9))
        )
        await admin.post("/keys/one/revoke")
        await admin.post("/keys/one/revoke")
    rows = await ask(served.place.postgres_url, "select action from audit_log where tenant = 'globex' order by seq")
    assert [row["action"] for row in rows] == [
        "tenant_created",
        "key_created",
        *["limits_changed"] * 8,
        "key_revoked",
    ]
    entry = await on_topic(served, "key:one")
    assert (entry.tenant, entry.seq, entry.action, entry.actor) == ("globex", 2, "key_created", "admin:ops")
    async with asyncio.timeout(30):
        while not await ask(served.place.postgres_url, "select from audit_log where action = 'config_loaded'"):
            await asyncio.sleep(0.05)  # the gateway tells it by itself
        while await ask(served.place.postgres_url, "select from audit_pending"):
            await asyncio.sleep(0.05)
    found = await verified(environment, None, topic=True)
    assert found.faults == ()
    assert found.entries > 11


async def ask(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


ENTRIES = 6


@pytest.fixture
async def written(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of an all-mighty role to a log with some entries."""
    engine = engine_for(database)
    await engine.dispose()
    connection = await asyncpg.connect(database)
    await write(connection)
    yield connection
    await connection.close()


async def write(connection: asyncpg.Connection) -> None:
    for number in range(ENTRIES):
        async with connection.transaction():
            event = Event("acme", utc_now(), "admin:ops", AuditAction.KEY_CHANGED, "key:one", {"number": number})
            entry = await append(connection, event)
    await connection.execute(
        "insert into audit_published values ('acme', $1, $2) on conflict do nothing", entry.seq, entry.hash
    )


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_log set actor = 'nobody'",
        "delete from audit_log",
        "truncate audit_log",
        "update audit_log set actor = 'nobody' where false",
    ],
)
async def test_not_even_the_mightiest_role_changes_it_by_a_plain_statement(
    written: asyncpg.Connection, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only be added to"):
        await written.execute(statement)


async def test_the_role_of_the_services_may_not_change_it(postgres_url: str, fresh_name: Callable[[str], str]) -> None:
    """One that owns the database and all its tables, and is no superuser."""
    role, name = fresh_name("role"), fresh_name("test")
    administrator = await asyncpg.connect(postgres_url)
    try:
        await administrator.execute(f"""create role "{role}" login createrole password 'x'""")
        await administrator.execute(f'create database "{name}" owner "{role}"')
        parts = urlsplit(postgres_url)
        place = f"{role}:x@{parts.netloc.rpartition('@')[2]}"
        url = urlunsplit(parts._replace(netloc=place, path=f"/{name}"))
        engine = engine_for(url)
        await migrate(engine)
        await engine.dispose()
        connection = await asyncpg.connect(url)
        try:
            await write(connection)
            for statement in ("update audit_log set actor = 'x'", "delete from audit_log", "truncate audit_log"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                    await connection.execute(statement)
            assert await connection.fetchval("select count(*) from audit_log") == ENTRIES
        finally:
            await connection.close()
    finally:
        await administrator.execute(f'drop database if exists "{name}" with (force)')
        await administrator.execute(f'drop role if exists "{role}"')
        await administrator.close()


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("update audit_log set actor = 'nobody' where seq = 3", [(3, "it was changed")]),
        ("update audit_log set details = '{}' where seq = 6", [(6, "it was changed")]),
        ("delete from audit_log where seq = 3", [(3, "it is missing")]),
        ("delete from audit_log where seq in (2, 3)", [(2, "it is missing, and all up to 3")]),
        ("delete from audit_log where seq >= 5", [(5, "it is missing, and all up to 6, and published")]),
        ("delete from audit_log", [(1, "it is missing, and all up to 6, and published")]),
        (
            """update audit_log set seq = case seq when 2 then -3 when 3 then -2 end where seq in (2, 3);
               update audit_log set seq = -seq where seq < 0""",
            [
                (2, "it does not follow the entry before it"),
                (2, "it was changed"),
                (3, "it does not follow the entry before it"),
                (3, "it was changed"),
                (4, "it does not follow the entry before it"),
            ],
        ),
    ],
)
async def test_whoever_forces_a_change_is_found_out(
    written: asyncpg.Connection,
    place: Place,
    tmp_path_factory: pytest.TempPathFactory,
    tampering: str,
    found: list[tuple[int, str]],
) -> None:
    environment = of(place, tmp_path_factory)
    before: Verified = await verified(environment, "acme", topic=False)
    assert (before.entries, before.faults) == (ENTRIES, ())
    await written.execute("alter table audit_log disable trigger only_added_to")
    await written.execute(tampering)
    after = await verified(environment, None, topic=False)
    assert [(fault.seq, fault.what) for fault in after.faults] == found


async def test_many_who_write_at_once_make_one_chain(
    written: asyncpg.Connection, database: str, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def writer(number: int) -> None:
        connection = await asyncpg.connect(database)
        try:
            for _ in range(10):
                async with connection.transaction():
                    await append(
                        connection, Event("acme", utc_now(), f"admin:{number}", AuditAction.KEY_CHANGED, "key:one")
                    )
        finally:
            await connection.close()

    await asyncio.gather(*(writer(number) for number in range(5)))
    found = await verified(of(place, tmp_path_factory), "acme", topic=False)
    assert (found.entries, found.faults) == (ENTRIES + 50, ())
