"""What every test may ask for. The servers start when the first test asks for them, once a run; unit tests never do."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from hypothesis import settings

from devstack.ports import Ports
from devstack.stack import Stack, erase, running_stack
from services.accounting.ledger.engine import engine_for
from services.accounting.migrations import migrate
from shared.ids import new_id
from tests.suites.hangs import is_timeout, waiting_tasks
from tests.suites.ports import held_ports

# An example that takes long on a busy machine is not wrong: nothing is asserted about time.
settings.register_profile("sluice", deadline=None)
settings.load_profile("sluice")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "servers" in getattr(item, "fixturenames", ()):
            item.add_marker("connected")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo is not None and is_timeout(call.excinfo.value):
        report.sections.append(("tasks that had not ended", waiting_tasks()))
    return report


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sluice-tests-"))
    folder.chmod(0o711)  # PostgreSQL runs as somebody else when the tests run as root, and must pass through
    yield folder
    erase(folder / "stack")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def servers(servers_folder: Path) -> AsyncIterator[Stack]:
    """The three real servers; those that KAFKA_URL, REDIS_URL and POSTGRES_URL name are taken as they are."""
    with held_ports() as port:
        ports = Ports(kafka=port(), kafka_controller=port(), valkey=port(), postgres=port())
        async with running_stack(servers_folder / "stack", ports=ports) as stack:
            yield stack


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    with held_ports() as port:
        yield port


@pytest.fixture(scope="session")
def kafka_url(servers: Stack) -> str:
    return servers.urls.kafka_url


@pytest.fixture(scope="session")
def redis_url(servers: Stack) -> str:
    return servers.urls.redis_url


@pytest.fixture(scope="session")
def postgres_url(servers: Stack) -> str:
    """The server's own database. A test that writes asks for `database` instead."""
    return servers.urls.postgres_url


@pytest.fixture
async def empty_database(postgres_url: str, fresh_name: Callable[[str], str]) -> AsyncIterator[str]:
    """The URL of a new database without anything in it, dropped after the test."""
    async with _database(postgres_url, fresh_name("test"), template="template1") as url:
        yield url


@pytest.fixture(scope="session")
async def newest_schema(postgres_url: str) -> AsyncIterator[str]:
    """The name of a database that is up to date: to copy it takes a tenth of what it takes to migrate another."""
    name = new_id("schema")
    async with _database(postgres_url, name, template="template1") as url:
        engine = engine_for(url)
        await migrate(engine)
        await engine.dispose()
        yield name


@pytest.fixture
async def database(postgres_url: str, newest_schema: str, fresh_name: Callable[[str], str]) -> AsyncIterator[str]:
    """The URL of a new database with the newest schema and no rows, dropped after the test."""
    async with _database(postgres_url, fresh_name("test"), template=newest_schema) as url:
        yield url


@pytest.fixture
def topic_prefix(fresh_name: Callable[[str], str]) -> str:
    """Topics whose names begin with this are this test's own."""
    return f"{fresh_name('t')}."


@pytest.fixture
def fresh_name() -> Callable[[str], str]:
    """Makes names nobody has used before, of topics, consumer groups or Redis keys: `fresh_name("group")`."""
    return new_id


@asynccontextmanager
async def _database(postgres_url: str, name: str, *, template: str) -> AsyncIterator[str]:
    await _execute(postgres_url, f'create database "{name}" template "{template}"')
    yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    await _execute(postgres_url, f'drop database "{name}" with (force)')


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
