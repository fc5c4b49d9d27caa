"""How requests come to the simulator: one behind the other, in pieces, wrong, and from those who ask what it did."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from simulator import Config, Script, Simulator, running_simulator
from tests.suites.simulator_peer import QUESTION, connect, eventually, request, sent, the_only_record


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(Config(seed=1, max_body_bytes=100_000)) as simulator:
        yield simulator


async def test_a_connection_serves_one_call_after_the_other(sim):
    peer = await connect(sim)
    for done in range(1, 4):
        peer.transport.write(request("tokens=2"))
        await eventually(lambda done=done: peer.received.count(b"[DONE]") == done)
    assert not peer.lost.done()
    peer.transport.close()


async def test_requests_sent_ahead_are_answered_in_order(sim):
    peer = await sent(sim, request("tokens=5;gap=0.01") + request("status=418") + request("tokens=1", stream=False))
    await peer.until(b'chat.completion"')
    assert re.findall(rb"HTTP/1.1 (\d+)", peer.received) == [b"200", b"418", b"200"]
    peer.transport.close()


async def test_a_client_that_sends_without_end_is_stopped(sim):
    peer = await sent(sim, request("stall_after=0"))
    await peer.until(b"data: ")
    peer.transport.write(b"GET /v1/models HTTP/1.1\r\n\r\n" * 40)
    async with asyncio.timeout(5):
        await peer.lost
    assert (await the_only_record(sim)).finished == "stalled"


async def test_a_request_may_arrive_byte_by_byte(sim):
    peer = await connect(sim)
    for byte in request("tokens=2"):
        peer.transport.write(bytes([byte]))
        await asyncio.sleep(0)
    await peer.until(b"[DONE]")
    peer.transport.close()


async def test_a_client_that_wants_to_close_is_let_go(sim):
    peer = await sent(sim, request("tokens=2", extra="connection: close\r\n"))
    async with asyncio.timeout(5):
        await peer.lost
    assert b"connection: close" in peer.received
    assert peer.received.endswith(b"0\r\n\r\n")


async def test_a_careful_client_is_told_to_continue(sim):
    head, body = request("tokens=2", extra="expect: 100-continue\r\n").split(b"\r\n\r\n")
    peer = await sent(sim, head + b"\r\n\r\n")
    await peer.until(b"100 Continue")
    peer.transport.write(body)
    await peer.until(b"[DONE]")
    peer.transport.close()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (request(filler="x" * 200_000), b"413"),
        (b"GET /nowhere HTTP/1.1\r\n\r\n", b"404"),
        (request("tokens=a"), b"400"),
    ],
)
async def test_what_cannot_be_served_has_a_status(sim, data, status):
    peer = await sent(sim, data)
    await peer.until(b"HTTP/1.1 " + status)
    peer.transport.close()


async def test_what_was_received_can_be_asked_for_byte_by_byte(sim):
    body = b'{ "model": "m",  "unknown": [1, 2.50], "messages": [{"role": "user", "content": "\\u00e9"}] }'
    async with httpx.AsyncClient(base_url=sim.url) as http:
        headers = {"X-Client-Request-Id": "job/1.2", "X-Other": "kept"}
        await http.post("/v1/chat/completions", headers=headers, content=body)
        found = (await http.get("/_sim/requests/job%2F1.2")).json()
        raw = await http.get("/_sim/requests/job%2F1.2/body")
        missing = await http.get("/_sim/requests/other")
        (record,) = (await http.get("/_sim/served")).json()
    assert raw.content == body == sim.request("job/1.2").body
    assert found["body"] == body.decode()
    assert ["X-Other", "kept"] in found["headers"]
    assert missing.status_code == 404
    assert (record["client_request_id"], record["body_sha256"]) == ("job/1.2", hashlib.sha256(body).hexdigest())


async def test_scripts_can_be_changed_and_reset_from_outside(sim):
    question = {"model": "a/b", "messages": QUESTION}
    async with httpx.AsyncClient(base_url=sim.url) as http:
        put = await http.put("/_sim/scripts/a%2Fb", json={"status": 418})
        scripted = await http.post("/v1/chat/completions", json=question)
        script = (await http.get("/_sim/scripts/a%2Fb")).json()
        wrong = await http.put("/_sim/scripts/a%2Fb", json={"tokens": -1})
        await http.post("/_sim/reset")
        plain = await http.post("/v1/chat/completions", json=question)
        totals = (await http.get("/_sim/totals")).json()
        lines = (await http.get("/_sim/served.jsonl?after=0")).text.splitlines()
        nothing = await http.get("/_sim/nothing")
    assert [reply.status_code for reply in (put, scripted, wrong, plain, nothing)] == [200, 418, 422, 200, 404]
    assert script["faults"][0]["status"] == 418
    assert (totals["calls"], totals["output_tokens"]) == (1, 24)
    assert [json.loads(line)["status"] for line in lines] == [200]


async def test_two_simulators_with_one_seed_say_the_same():
    answers = []
    for _ in range(2):
        async with running_simulator(Config(seed=5)) as sim, httpx.AsyncClient(base_url=sim.url) as http:
            body = {"model": "m", "messages": QUESTION, "metadata": {"sim": "tokens=10..100"}}
            answers.append((await http.post("/v1/chat/completions", json=body)).json())
    for answer in answers:
        del answer["created"]
    assert answers[0] == answers[1]


async def test_a_script_in_python_is_played():
    async with running_simulator(Config(models={"m": Script(tokens=3)})) as sim:
        peer = await sent(sim, request())
        await peer.until(b"[DONE]")
        assert (await the_only_record(sim)).output_tokens_written == 3
        peer.transport.close()
