"""How a process begins and ends, seen from outside: real processes, real signals, exit codes."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from shared.backoff import Backoff
from shared.errors import OperatorError
from shared.lifecycle import Startup, Stopping, until_reachable

PROGRAM = """
import asyncio, hashlib, sys
from shared.errors import OperatorError
from shared.lifecycle import run, until_reachable
from shared.telemetry.logs import configure_logging

async def obedient(stop):
    print("up", flush=True)
    await stop.wait()
    print("cleaned", flush=True)

async def stuck(stop):
    print("up", flush=True)
    await stop.wait()
    print("stuck", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes without a look at signals

async def waiting(stop):
    async def probe():
        print("up", flush=True)
        raise ConnectionRefusedError("nobody there")
    await until_reachable("kafka", probe, stop)

async def finished(stop):
    pass

async def wrong(stop):
    async def check(name):
        raise OperatorError(f"sluice.yaml:{name}: is wrong\\nsluice.yaml:9: too")
    async with asyncio.TaskGroup() as group:
        group.create_task(check("1"))
        group.create_task(check("2"))

async def faulty(stop):
    raise KeyError("a bug")

configure_logging("tests")
run(globals()[sys.argv[1]])
"""

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(main: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, main], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_process_clean_up_and_end_well(start: Start, sent: signal.Signals) -> None:
    process = start("obedient")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"

    process.send_signal(sent)
    output, _ = process.communicate(timeout=60)

    assert (output, process.returncode) == ("cleaned\n", 0)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_process_that_is_stuck(start: Start, sent: signal.Signals) -> None:
    process = start("stuck")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "stuck\n"

    process.send_signal(sent)

    assert process.wait(timeout=60) == -sent


def test_a_process_that_waits_for_a_server_says_so_and_stops_when_told(start: Start) -> None:
    process = start("waiting")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"

    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)

    first = json.loads(errors.splitlines()[0])
    assert (first["event"], first["server"], first["reason"]) == (
        "waiting_for_server",
        "kafka",
        "ConnectionRefusedError: nobody there",
    )
    assert process.returncode == 0


def test_a_process_that_is_done_ends_well(start: Start) -> None:
    process = start("finished")
    process.communicate(timeout=60)

    assert process.returncode == 0


def test_what_the_operator_must_mend_is_told_line_by_line_without_a_traceback(start: Start) -> None:
    process = start("wrong")
    _, errors = process.communicate(timeout=60)

    assert errors.splitlines() == [
        "sluice: sluice.yaml:1: is wrong",
        "sluice: sluice.yaml:9: too",
        "sluice: sluice.yaml:2: is wrong",
    ]
    assert process.returncode == 1


def test_a_fault_is_told_with_its_traceback(start: Start) -> None:
    process = start("faulty")
    _, errors = process.communicate(timeout=60)

    line = json.loads(errors)
    assert line["event"] == "fault"
    assert "KeyError: 'a bug'" in line["exception"]
    assert process.returncode == 3


QUICK = Backoff(base_seconds=0.001, cap_seconds=0.002)


async def test_a_server_that_comes_up_late_is_reached() -> None:
    failures = iter([ConnectionRefusedError(), OSError("not yet")])

    async def probe() -> None:
        failure = next(failures, None)
        if failure:
            raise failure

    await until_reachable("kafka", probe, asyncio.Event(), backoff=QUICK)

    assert next(failures, None) is None


async def test_a_probe_that_hangs_counts_as_away() -> None:
    hangs = iter([True, False])

    async def probe() -> None:
        if next(hangs):
            await asyncio.Event().wait()

    began = time.monotonic()
    await until_reachable("kafka", probe, asyncio.Event(), backoff=QUICK, attempt_seconds=0.05)

    assert time.monotonic() - began < 5


async def test_waiting_ends_when_the_process_is_told_to_stop() -> None:
    stop = asyncio.Event()

    async def probe() -> None:
        stop.set()
        raise ConnectionRefusedError

    with pytest.raises(Stopping):
        await until_reachable("kafka", probe, stop, backoff=Backoff(60, 60))


async def test_what_does_not_mean_that_the_server_is_away_is_not_waited_for() -> None:
    failures = iter([ConnectionRefusedError(), ZeroDivisionError()])

    async def probe() -> None:
        raise next(failures)

    with pytest.raises(ZeroDivisionError):
        await until_reachable("postgres", probe, asyncio.Event(), backoff=QUICK, away=(OSError,))


async def test_what_waiting_cannot_mend_is_not_waited_for() -> None:
    async def probe() -> None:
        raise OperatorError("wrong password")

    with pytest.raises(OperatorError, match="wrong password"):
        await until_reachable("postgres", probe, asyncio.Event())


async def test_a_beginning_that_hangs_is_broken_off_when_the_process_is_told_to_stop() -> None:
    stop, ends = asyncio.Event(), []

    async def hang() -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("let go")

    with pytest.raises(Stopping):
        async with asyncio.timeout(5):
            await Startup(stop).begin("kafka", hang())
    assert ends == ["let go"]


async def test_a_beginning_that_fails_says_why() -> None:
    async def fail() -> None:
        raise ConnectionRefusedError("nobody there")

    with pytest.raises(ConnectionRefusedError, match="nobody there"):
        await Startup(asyncio.Event()).begin("kafka", fail())
