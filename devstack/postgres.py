"""PostgreSQL 18 with pgvector as one server of the stack: the programs of a wheel, run directly."""

import asyncio
import os
import secrets
import shutil
from pathlib import Path

from devstack.ports import HOST
from devstack.postgres_place import Place, settle
from devstack.probes import ask_postgres
from devstack.server import ServerProcess, Tell

OWNER = "sluice"
DATABASE = "sluice"
INIT_SECONDS = 60.0

# Collation and character classes of PostgreSQL's own, so that they are the same on every system.
INITDB = (
    f"--username={OWNER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
)

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "jit": "off",  # short queries: compiling them costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    name = "postgres"

    def __init__(self, data: Path, port: int, process: ServerProcess, tell: Tell) -> None:
        self._data = data
        self._port = port
        self._process = process
        self._tell = tell
        self._password = ""

    @property
    def url(self) -> str:
        return self._url_of(DATABASE)

    @property
    def log(self) -> Path:
        return self._process.log

    @property
    def pid(self) -> int | None:
        return self._process.pid

    async def start(self) -> None:
        place = await asyncio.to_thread(settle, self._data, self._tell)
        self._password = self._kept_password()
        cluster = place.base / "cluster"
        if not cluster.exists():
            await self._create(cluster, place)
        settings = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
        command: list[str | Path] = [place.programs / "postgres", "-D", cluster, "-p", str(self._port), *settings]
        await self._process.start(command, cwd=place.base, user=place.user)

    async def ready(self, within_seconds: float = 30.0) -> None:
        await self._process.answering(self._url_of("postgres"), ask_postgres, within_seconds)
        await self._create_database()

    async def stop(self) -> None:
        await self._process.stop()

    async def kill(self) -> None:
        await self._process.kill()

    def _url_of(self, database: str) -> str:
        return f"postgresql://{OWNER}:{self._password}@{HOST}:{self._port}/{database}"

    def _kept_password(self) -> str:
        kept = self._data.with_name("postgres.password")
        if not kept.exists() or not kept.stat().st_size:
            with os.fdopen(os.open(kept, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(24))
        return kept.read_text()

    async def _create(self, cluster: Path, place: Place) -> None:
        """initdb beside the final folder and move it there when done: a half-made cluster is never started."""
        unfinished = cluster.with_name("cluster.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        password = place.base / "password"
        password.write_text(self._password)
        password.chmod(0o600)
        if place.user:
            os.chown(password, place.user.uid, place.user.gid)
        command: list[str | Path] = [place.programs / "initdb", "-D", unfinished, *INITDB, "--pwfile", password]
        try:
            await self._process.run(command, cwd=place.base, user=place.user, within_seconds=INIT_SECONDS)
        finally:
            password.unlink()
        unfinished.rename(cluster)

    async def _create_database(self) -> None:
        import asyncpg

        connection = await asyncpg.connect(self._url_of("postgres"))
        try:
            if not await connection.fetchval("select exists (select from pg_database where datname = $1)", DATABASE):
                await connection.execute(f'create database "{DATABASE}"')
        finally:
            await connection.close()
