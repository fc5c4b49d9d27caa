"""Every server asks for TLS and a password: one job all the way through, and nobody gets in otherwise.

Kafka ends TLS itself. The wheels' Valkey and PostgreSQL are built without it, so a proxy ends it before them; what
Sluice's clients see is the same.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from devstack.kafka import Door, Kafka, Variation
from devstack.kafka_jars import default_cache
from devstack.kafka_runtime import kafka_runtime
from devstack.ports import any_free
from devstack.server import ServerProcess
from devstack.valkey import Valkey
from services.accounting.ledger.engine import engine_for, ping
from services.accounting.ports import AwayError
from shared.kafka import ensure_topics
from shared.kafka_access import KafkaAccess
from shared.redis import redis_client
from simulator import Script
from tests.suites.certificates import Authority, postgres_tls, tls
from tests.suites.platform import Servers, running_platform
from tests.suites.reader import Reader

SCRIPT = {"gpt-4o": Script.model_validate({"tokens": 20})}


@dataclass(frozen=True, slots=True)
class Secured:
    authority: Authority
    kafka_password: str
    redis_password: str
    kafka_port: int
    plain_kafka_url: str
    """For the test's own tools."""
    redis_port: int

    def kafka(self, **changes: object) -> KafkaAccess:
        given = {"username": "sluice", "password": self.kafka_password, "ca_file": self.authority.ca_file} | changes
        return KafkaAccess(f"127.0.0.1:{self.kafka_port}", "SASL_SSL", **given)  # type: ignore[arg-type]

    def redis_url(self, password: str | None = None, ca_file: Path | None = None) -> str:
        trusted = ca_file or self.authority.ca_file
        return f"rediss://sluice:{password or self.redis_password}@127.0.0.1:{self.redis_port}/0?ssl_ca_certs={trusted}"

    def environment(self, postgres_url: str) -> Mapping[str, str]:
        return {
            "KAFKA_URL": f"127.0.0.1:{self.kafka_port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_USERNAME": "sluice",
            "KAFKA_SASL_PASSWORD": self.kafka_password,
            "KAFKA_SSL_CAFILE": str(self.authority.ca_file),
            "REDIS_URL": self.redis_url(),
            "POSTGRES_URL": postgres_url,
        }


@pytest.fixture(scope="module")
async def secured(servers_folder: Path) -> AsyncIterator[Secured]:
    folder = servers_folder / "secured"
    authority = Authority(folder)
    passwords = secrets.token_hex(12), secrets.token_hex(12)
    async with AsyncExitStack() as stack:
        kafka, kafka_port = await _kafka(folder / "kafka", authority, passwords[0])
        stack.push_async_callback(kafka.kill)
        valkey = await _valkey(folder / "valkey", passwords[1])
        stack.push_async_callback(valkey.kill)
        redis_port = await stack.enter_async_context(tls(authority, valkey.port))
        await asyncio.gather(kafka.ready(), valkey.ready())
        yield Secured(authority, *passwords, kafka_port, kafka.url, redis_port)


async def _kafka(folder: Path, authority: Authority, password: str) -> tuple[Kafka, int]:
    folder.mkdir(parents=True)
    port = any_free()
    door = Door("SECURE", port, advertised=port)
    settings = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.key_store),
    }
    variation = Variation(settings, scram_users={"sluice": password})
    runtime = await kafka_runtime(default_cache(), lambda _: None)
    process = ServerProcess("kafka", folder / "log")
    kafka = Kafka(folder / "data", any_free(), any_free(), runtime, process, [door], variation)
    await kafka.start()
    return kafka, port


async def _valkey(folder: Path, password: str) -> Valkey:
    """With a user who may do no more than Sluice does."""
    folder.mkdir(parents=True)
    users = folder / "users.acl"
    users.write_text(
        "user default on nopass -@all +ping\n"
        f"user sluice on >{password} ~tls* resetchannels &tls* +@all -@admin -@dangerous +info\n"
    )
    valkey = Valkey(folder, any_free(), ServerProcess("valkey", folder / "log"), {"aclfile": str(users)})
    await valkey.start()
    return valkey


@pytest.fixture
async def postgres_over_tls(database: str, secured: Secured) -> AsyncIterator[str]:
    place = urlsplit(database)
    async with postgres_tls(secured.authority, place.port or 5432) as port:
        query = f"sslmode=verify-full&sslrootcert={secured.authority.ca_file}"
        netloc = f"{place.username}:{place.password}@127.0.0.1:{port}"
        yield urlunsplit(place._replace(netloc=netloc, query=query))


async def test_a_job_goes_all_the_way_and_no_log_shows_a_password(
    secured: Secured, database: str, postgres_over_tls: str, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    servers = Servers(secured.plain_kafka_url, "unused", database)
    async with running_platform(servers, tmp_path, fresh_name("tls"), SCRIPT) as platform:
        told = secured.environment(postgres_over_tls)
        started = [await platform.start(name, **told) for name in ("ingress", "router_worker", "accounting")]
        await asyncio.gather(*(process.ready() for process in started))
        ingress, key = started[0], platform.keys["acme"]
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Is this line secure?"}]}
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}) as client:
            job = (await client.post(f"{ingress.url}/v1/jobs", json=body)).json()["id"]
        reader = await Reader([ingress.url], key, job).read()
        assert reader.result["status"] == "succeeded"
        assert await _is_charged(database, job)
        logs = "".join(process.log.read_text() for process in started)
    for password in (secured.kafka_password, secured.redis_password, urlsplit(database).password):
        assert password
        assert password not in logs


async def _is_charged(database: str, job: str) -> bool:
    connection = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(20):
            while not await connection.fetchval("select count(*) from usage_ledger where job_id = $1", job):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return True


@pytest.mark.parametrize("who", ["wrong password", "other authority"])
async def test_kafka_takes_nobody_else_and_no_other_kafka_is_taken(secured: Secured, who: str, tmp_path: Path) -> None:
    changed = {"password": "guessed"} if who == "wrong password" else {"ca_file": Authority(tmp_path).ca_file}
    with pytest.raises(KafkaError) as refused:
        await ensure_topics(secured.kafka(**changed), "never.")
    assert secured.kafka_password not in str(refused.value)


@pytest.mark.parametrize("who", ["wrong password", "other authority"])
async def test_redis_takes_nobody_else_and_no_other_redis_is_taken(secured: Secured, who: str, tmp_path: Path) -> None:
    url = (
        secured.redis_url("guessed")
        if who == "wrong password"
        else secured.redis_url(None, Authority(tmp_path).ca_file)
    )
    redis = redis_client(url, call_seconds=2)
    with pytest.raises((RedisError, OSError)) as refused:
        await redis.ping()
    await redis.aclose(close_connection_pool=True)
    assert secured.redis_password not in str(refused.value)


async def test_another_postgres_is_not_taken_for_ours(postgres_over_tls: str, secured: Secured, tmp_path: Path) -> None:
    good, other = engine_for(postgres_over_tls), Authority(tmp_path).ca_file
    wrong = engine_for(postgres_over_tls.replace(str(secured.authority.ca_file), str(other)))
    await ping(good)
    with pytest.raises(AwayError, match="certificate"):
        await ping(wrong)
    await good.dispose()
    await wrong.dispose()
