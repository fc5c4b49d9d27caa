"""A person with two terminals: `sluice up` in one, everything else in the other, and things that go wrong."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.exit_codes import ExitCode
from tests.suites.command_line import Ran, Sluice
from tests.suites.served_ingress import fresh_place

UP = ("up", "--foreground", "--workers", "1", "--port")


@pytest.fixture
async def sluice(kafka_url: str, redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Sluice]:
    """In an empty folder; the servers are those of the tests, so that a stack is up in seconds."""
    async with fresh_place(kafka_url, redis_url, postgres_url) as place:
        yield Sluice(
            tmp_path,
            {
                "KAFKA_URL": place.kafka_url,
                "REDIS_URL": place.redis_url,
                "POSTGRES_URL": place.postgres_url,
                "SLUICE_TOPIC_PREFIX": place.topic_prefix,
                "SLUICE_NAMESPACE": place.namespace,
            },
        )


@asynccontextmanager
async def standing(sluice: Sluice, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """`sluice up` in the other terminal; ended however the test leaves it."""
    process = await sluice.start(*UP, str(port), "--json")
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        assert line, (await process.communicate())[1].decode()
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            await process.communicate()


async def until(ask: Callable[[], Awaitable[Ran]], holds: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(60):
        while not holds(found := (await ask()).json):
            await asyncio.sleep(0.1)
    return found


def a_file(folder: Path, count: int) -> Path:
    path = folder / "batch.jsonl"
    with path.open("w") as file:
        for number in range(count):
            body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"Say {number}."}], "max_tokens": 2}
            line = {"custom_id": f"c-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            file.write(json.dumps(line) + "\n")
    return path


async def test_a_stack_is_used_from_another_terminal_and_ended_from_there(sluice: Sluice, free_port) -> None:
    async with standing(sluice, free_port()) as up:
        told = await sluice("status", "--json")
        assert (told.code, told.json["phase"]) == (0, "ready")
        submitted = await sluice("submit", str(a_file(sluice.folder, 5)), "--wait")
        assert (submitted.code, submitted.out) == (0, "5 of 5 lines accepted, 5 succeeded.\n")
        results = await sluice("results", "--count", "5", "--timeout", "30s")
        assert {each["custom_id"] for each in results.lines} == {f"c-{number}" for number in range(5)}
        jobs = await until(lambda: sluice("jobs", "list", "--json"), lambda found: len(found) == 5)
        assert {each["status"] for each in jobs} == {"succeeded"}
        (line,) = await until(
            lambda: sluice("usage", "--by", "model", "--json"), lambda found: found and found[0]["attempts"] == 5
        )
        assert (line["model"], line["unpriced_tokens"]) == ("gpt-4o", 0)
        health = await until(lambda: sluice("health", "--json"), lambda found: found["workers"] == 1)
        assert {each["state"] for each in health["deployments"].values()} == {"closed"}
        async with httpx.AsyncClient(headers={"api-key": told.json["api_key"]}) as client:
            models = (await client.get(f"{told.json['gateway_url']}/v1/health")).json()["data"]
        assert {each["status"] for each in models} == {"available"}
        assert "ingress_listening" in (await sluice("logs", "ingress")).out
        foreign = await sluice("logs", "kafka")
        assert foreign.code == ExitCode.SETUP
        assert "The stack uses a kafka that it did not start" in foreign.err

        ended = await sluice("down")
        assert (ended.code, ended.out) == (0, "Ended; the data is kept.\n")
        assert await asyncio.wait_for(up.wait(), 30) == 0
    assert (await sluice("status")).code == ExitCode.SETUP
    assert (await sluice("down", "--json")).json == {"ended": None}


async def test_an_interrupted_submission_goes_on_where_it_was(sluice: Sluice, free_port) -> None:
    file = a_file(sluice.folder, 10_000)
    journals = sluice.folder / ".sluice" / "submissions"

    def some_are_in() -> bool:
        """More than the submission's name."""
        return any(journal.read_bytes().count(b"\n") > 1 for journal in journals.glob("*.jsonl"))

    async with standing(sluice, free_port()):
        interrupted = await sluice.interrupted("submit", str(file), when=some_are_in)
        assert interrupted.code == ExitCode.INTERRUPTED
        assert "accepted so far. The same command sends the rest." in interrupted.err

        rest = await sluice("submit", str(file))
        assert rest.code == 0
        assert rest.out.startswith("10000 of 10000 lines accepted, ")
        assert "of them by an earlier run" in rest.out
        table = await sluice("topics", "list", "--json")
    batch = next(each for each in table.json if each["topic"].endswith("sluice.jobs.batch.v1"))
    assert batch["records"] == 10_000
    assert list(journals.iterdir()) == []


async def test_nothing_outlives_an_up_that_is_killed_and_the_next_one_begins_anew(sluice: Sluice, free_port) -> None:
    async with standing(sluice, free_port()) as up:
        again = await sluice(*UP, str(free_port()))
        assert again.code == ExitCode.SETUP
        assert f"Sluice is up in this folder already (pid {up.pid})" in again.err
        pids = [each["pid"] for each in (await sluice("status", "--json")).json["services"] if each["pid"]]
        assert len(pids) == 4

        up.kill()
        await up.wait()
        async with asyncio.timeout(30):
            while any(lives(pid) for pid in pids):
                await asyncio.sleep(0.05)
        assert (await sluice("status", "--json")).json == {"phase": "stopped"}
    async with standing(sluice, free_port()):
        assert (await sluice("status")).code == 0


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_port_in_use_is_told_before_anything_starts(tmp_path: Path, taken: int) -> None:
    ended = await Sluice(tmp_path, {})(*UP, str(taken))

    assert ended.code == ExitCode.SETUP
    assert f"sluice: Port {taken} is in use: end what listens there, or choose another with --port." in ended.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tenats: {}\n", "sluice.yaml:1: tenats: unknown key; did you mean `tenants`?"),
        (
            'providers: {p: {base_url: "http://127.0.0.1:9/v1", api_key: "${NO_SUCH_KEY}"}}\n',
            "sluice.yaml:1: providers.p.api_key: the environment variable NO_SUCH_KEY is not set",
        ),
    ],
)
async def test_a_wrong_configuration_is_told_before_anything_starts(
    tmp_path: Path, text: str, why: str, free_port
) -> None:
    (tmp_path / "sluice.yaml").write_text(text)

    ended = await Sluice(tmp_path, {})(*UP, str(free_port()))
    assert ended.code == ExitCode.SETUP
    assert why in ended.err
