"""The stack comes and goes: it keeps its data and its ports, and leaves nothing running behind."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from devstack.ports import HOST, Ports
from devstack.server import ServerProcess, ServersUnavailable
from devstack.stack import Urls, erase, running_stack
from devstack.valkey import Valkey

pytestmark = pytest.mark.connected

DEADLINE_SECONDS = 60.0
RECORDS = 1000
NONE_NAMED: dict[str, str] = {}
NO_NETWORK = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), f"http://{HOST}:1")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A folder only its owner may enter: as root, PostgreSQL's data cannot lie in it."""
    yield tmp_path / "stack"
    erase(tmp_path / "stack")


async def fill(urls: Urls) -> None:
    """Leave something in each server, confirmed by it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=urls.kafka_url)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=urls.kafka_url, acks="all", enable_idempotence=True) as producer:
        await asyncio.gather(*[await producer.send("kept", b"%d" % number) for number in range(RECORDS)])
    async with Redis.from_url(urls.redis_url) as redis:
        await redis.xadd("kept", {"event": "delta"}, id="1-1")
    connection = await asyncpg.connect(urls.postgres_url)
    await connection.execute("create table kept (nanodollars bigint); insert into kept values (42)")
    await connection.close()


async def kept(urls: Urls) -> tuple[int, int, int]:
    """What is left of it: records, log entries, nanodollars."""
    async with AIOKafkaConsumer(bootstrap_servers=urls.kafka_url) as consumer:
        partition = TopicPartition("kept", 0)
        records = (await consumer.end_offsets([partition]))[partition]
    async with Redis.from_url(urls.redis_url) as redis:
        entries = await redis.xlen("kept")
    connection = await asyncpg.connect(urls.postgres_url)
    nanodollars = await connection.fetchval("select sum(nanodollars)::bigint from kept")
    await connection.close()
    return records, entries, nanodollars


def runs(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def running_commands() -> str:
    return subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout  # noqa: S607


async def test_a_stack_that_is_started_again_has_its_data_and_its_ports(data: Path) -> None:
    async with running_stack(data, environ=NONE_NAMED) as stack:
        first = stack.urls
        await fill(first)
    assert not (data / "stack.json").exists()
    async with running_stack(data, environ=NONE_NAMED) as stack:
        assert stack.urls == first
        assert await kept(stack.urls) == (RECORDS, 1, 42)


async def test_a_server_that_is_killed_and_started_again_keeps_what_it_confirmed(data: Path) -> None:
    async with running_stack(data, environ=NONE_NAMED) as stack:
        await fill(stack.urls)
        for server in stack.servers:
            before = server.pid
            assert before is not None
            await server.kill()
            assert server.pid is None
            assert not runs(before)
            await server.start()
            await server.ready()
            assert server.pid != before
        assert await kept(stack.urls) == (RECORDS, 1, 42)


class Command:
    """`python -m devstack`, as a person starts it."""

    def __init__(self, data: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "devstack", "--data", data, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **(env or {})},
        )

    async def started(self) -> list[int]:
        """The pids of the servers."""
        assert self.process.stdout is not None
        line = await asyncio.to_thread(self.process.stdout.readline)
        return [server["pid"] for server in json.loads(line)["servers"].values()]

    async def ended(self) -> tuple[int, str]:
        """The exit code and what was said to the person."""
        _, told = await asyncio.to_thread(self.process.communicate, timeout=DEADLINE_SECONDS)
        return self.process.returncode, told


async def test_a_stack_that_is_killed_leaves_no_process_and_its_folder_can_be_used_at_once(data: Path) -> None:
    command = Command(data)
    servers = await command.started()
    record = json.loads((data / "stack.json").read_text())
    await fill(Urls(*(record[name] for name in Urls.__slots__)))
    os.kill(command.process.pid, signal.SIGKILL)
    await command.ended()
    async with running_stack(data, environ=NONE_NAMED) as stack:  # waits for the servers of its predecessor
        assert not any(runs(pid) for pid in servers)
        assert await kept(stack.urls) == (RECORDS, 1, 42)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_later_start_needs_no_network_and_ends_in_good_order_when_told_to(
    data: Path, number: signal.Signals
) -> None:
    command = Command(data, env=NO_NETWORK)
    servers = await command.started()
    assert len(servers) == 3
    command.process.send_signal(number)
    code, told = await command.ended()
    assert (code, "Traceback" in told) == (0, False)
    assert not any(runs(pid) for pid in servers)
    assert not (data / "stack.json").exists()


async def test_without_the_network_the_first_start_says_so_in_a_sentence(data: Path, tmp_path: Path) -> None:
    code, told = await Command(data, "--cache", str(tmp_path / "cache"), env=NO_NETWORK).ended()
    assert code == 1
    sentences = told.strip().splitlines()
    assert sentences[-1].startswith("Kafka's jars are not here yet and cannot be downloaded")
    assert "Traceback" not in told


async def test_a_port_that_is_asked_for_and_taken_is_named(data: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServersUnavailable, match=f"Port {port}, asked for valkey, is in use"):
            async with running_stack(data, environ=NONE_NAMED, ports=Ports(valkey=port)):
                pytest.fail("started on a taken port")


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        process = ServerProcess("valkey", tmp_path / "valkey.log")
        valkey = Valkey(tmp_path / "valkey", taken.getsockname()[1], process)
        await valkey.start()
        with pytest.raises(ServersUnavailable, match=r"valkey ended while starting: .*Failed listening on port"):
            await valkey.ready()
        await valkey.stop()


async def test_when_one_server_cannot_start_none_is_left_running(data: Path) -> None:
    (data / "valkey").mkdir(parents=True)
    (data / "valkey" / "appendonlydir").write_text("in the way of a folder")
    with pytest.raises(ServersUnavailable, match="valkey ended while starting"):
        async with running_stack(data, environ=NONE_NAMED):
            pytest.fail("started without Valkey")
    assert str(data) not in running_commands()
