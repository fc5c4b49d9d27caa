"""`python -m simulator` as a process."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator.faults import fault_keys
from simulator.script import Script
from tests.suites.timing import at_best

BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A simulator that is ready, and its URL; killed at the end if it still runs."""
    started = await start(*arguments)
    try:
        async with asyncio.timeout(60):
            line = await started.stdout.readline()
        yield started, json.loads(line)["url"]
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def start(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "simulator", *arguments, stdout=pipe, stderr=pipe)


async def run(*arguments: str) -> tuple[int, str, str]:
    ended = await start(*arguments)
    async with asyncio.timeout(60):
        out, err = await ended.communicate()
    return ended.returncode, out.decode(), err.decode()


async def test_a_simulator_tells_its_url_serves_and_ends_when_asked(tmp_path: Path):
    config = tmp_path / "sim.yaml"
    config.write_text("models: {m: {tokens: 7}}\n")
    async with process("--config", str(config), "--log", str(tmp_path / "served.jsonl")) as (simulator, url):
        async with httpx.AsyncClient(base_url=url) as http:
            answer = await http.post("/v1/chat/completions", json=BODY)
        assert answer.text.endswith("data: [DONE]\n\n")
        simulator.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await simulator.wait() == 0
    (record,) = map(json.loads, (tmp_path / "served.jsonl").read_text().splitlines())
    assert (record["output_tokens_written"], record["finished"]) == (7, "completed")


async def test_what_was_served_survives_a_kill_and_a_restart(tmp_path: Path):
    log = str(tmp_path / "served.jsonl")
    for _ in range(2):
        async with process("--log", log) as (simulator, url), httpx.AsyncClient(base_url=url) as http:
            await http.post("/v1/chat/completions", json=BODY)
            totals = (await http.get("/_sim/totals")).json()
            simulator.kill()
    assert totals["calls"] == 2
    ids = [json.loads(line)["call_id"] for line in Path(log).read_text().splitlines()]
    assert len(set(ids)) == 2


async def read_until_lost(http: httpx.AsyncClient, script: str) -> bytes:
    received = b""
    headers = {"x-sim-script": script}
    async with http.stream("POST", "/v1/chat/completions", json=BODY, headers=headers) as response:
        try:
            async for data in response.aiter_raw():
                received += data
        except (httpx.ReadError, httpx.RemoteProtocolError):
            return received
    raise AssertionError("the answer was not cut")


async def test_a_reset_loses_no_token_that_was_counted(tmp_path: Path):
    async with process() as (_, url), httpx.AsyncClient(base_url=url) as http:
        received = await read_until_lost(http, "tokens=20;cut_after=7;cut_by=reset")
        (record,) = (await http.get("/_sim/served")).json()
    assert (record["finished"], record["output_tokens_written"]) == ("cut", 7)
    assert received.count(b"data: ") == 8


async def test_a_client_that_leaves_buys_hardly_a_token_more():
    headers = {"x-sim-script": "tokens=1000;gap=0.01"}
    async with process() as (_, url), httpx.AsyncClient(base_url=url) as http:

        async def bought() -> int:
            before = len((await http.get("/_sim/served")).json())
            async with http.stream("POST", "/v1/chat/completions", json=BODY, headers=headers) as response:
                read = ""
                async for text in response.aiter_text():
                    read += text
                    if read.count('"content":"') > 10:
                        break
            record = (await served(http, before + 1))[-1]
            assert record["finished"] == "client_left"
            assert record["output_tokens_written"] >= 10
            return record["output_tokens_written"]

        assert await at_best(bought, lambda tokens: tokens <= 20) <= 20


async def test_a_call_under_way_is_recorded_when_the_simulator_is_stopped(tmp_path: Path):
    log = tmp_path / "served.jsonl"
    async with process("--log", str(log)) as (simulator, url), httpx.AsyncClient(base_url=url) as http:
        headers = {"x-sim-script": "tokens=1000;gap=0.01"}
        async with http.stream("POST", "/v1/chat/completions", json=BODY, headers=headers):
            simulator.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                assert await simulator.wait() == 0
    (record,) = map(json.loads, log.read_text().splitlines())
    assert record["finished"] == "stopped"


async def served(http: httpx.AsyncClient, calls: int) -> list[dict[str, Any]]:
    """What was served, as soon as there are so many."""
    async with asyncio.timeout(20):
        while len(records := (await http.get("/_sim/served")).json()) < calls:
            await asyncio.sleep(0.01)
    return records


async def test_only_callers_with_the_key_are_served():
    async with process("--api-key", "sk-good") as (_, url), httpx.AsyncClient(base_url=url) as http:
        wrong = await http.post("/v1/chat/completions", json=BODY, headers={"authorization": "Bearer sk-bad"})
        right = await http.post("/v1/chat/completions", json=BODY, headers={"authorization": "Bearer sk-good"})
    assert (wrong.status_code, right.status_code) == (401, 200)


async def test_help_explains_configuration_scripts_and_the_served_log():
    code, out, _ = await run("--help")
    assert code == 0
    assert all(word in out for word in ("--seed", "models:", "x-sim-script", "/_sim/served"))
    assert [field for field in (*Script.model_fields, *fault_keys()) if not re.search(rf"\b{field}\b", out)] == []


@pytest.mark.parametrize(
    ("written", "complaint"),
    [("models: {m: {tokenz: 3}}", "models.m.tokenz"), ("a: [", "sim.yaml"), ("[]", "sim.yaml")],
)
async def test_a_wrong_configuration_is_told_and_ends_with_1(tmp_path: Path, written: str, complaint: str):
    (tmp_path / "sim.yaml").write_text(written)
    code, out, err = await run("--config", str(tmp_path / "sim.yaml"))
    assert (code, out) == (1, "")
    assert complaint in err
    assert "Traceback" not in err


async def test_a_taken_port_is_told():
    async with process() as (_, url):
        code, _, err = await run("--port", url.rsplit(":", 1)[1])
    assert code == 1
    assert "address already in use" in err
    assert "Traceback" not in err
