"""What happens on the wire: packets, connections that end, clients that leave, and what the served log says of it."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from simulator import Config, Script, Served, Simulator, running_simulator

QUESTION = [{"role": "user", "content": "What is the answer?"}]


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(Config(seed=1, max_body_bytes=100_000)) as simulator:
        yield simulator


def request(script="", *, stream=True, extra="", **fields) -> bytes:
    body = json.dumps({"model": "m", "messages": QUESTION, "stream": stream, **fields}).encode()
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: sim",
        f"x-sim-script: {script}",
        f"content-length: {len(body)}",
    ]
    return ("\r\n".join(lines) + f"\r\n{extra}\r\n").encode() + body


class Peer(asyncio.Protocol):
    """A client that notes each packet it gets."""

    def __init__(self):
        self.packets = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.packets.append(data)

    def connection_lost(self, exc):
        self.lost.set_result(exc)

    @property
    def received(self):
        return b"".join(self.packets)

    async def until(self, *marks: bytes):
        await eventually(lambda: all(mark in self.received for mark in marks))


async def connect(sim) -> Peer:
    where = urlsplit(sim.url)
    _, peer = await asyncio.get_running_loop().create_connection(Peer, where.hostname, where.port)
    return peer


async def eventually(condition, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


async def the_only_record(sim) -> Served:
    await eventually(sim.served)
    (record,) = sim.served()
    return record


async def sent(sim, data: bytes) -> Peer:
    peer = await connect(sim)
    peer.transport.write(data)
    return peer


async def test_a_client_that_leaves_is_noticed_at_once(sim):
    peer = await sent(sim, request("tokens=1000;gap=0.01"))
    await eventually(lambda: peer.received.count(b'"content":"') > 5)
    read = peer.received.count(b"data: ") - 1
    peer.transport.close()
    record = await the_only_record(sim)
    assert record.finished == "client_left"
    assert read <= record.output_tokens_written <= read + 10
    assert record.output_tokens_reported is None
    assert sim.totals().in_flight == 0


async def test_a_client_that_resets_is_noticed_too(sim):
    peer = await sent(sim, request("tokens=1000;gap=0.01"))
    await peer.until(b"data: ")
    peer.transport.abort()
    assert (await the_only_record(sim)).finished == "client_left"


async def test_a_client_that_leaves_during_a_stall_ends_it(sim):
    peer = await sent(sim, request("tokens=20;stall_after=7"))
    await eventually(lambda: peer.received.count(b"data: ") == 8)
    peer.transport.close()
    record = await the_only_record(sim)
    assert (record.finished, record.output_tokens_written, record.fault) == ("stalled", 7, "stall_after")


async def test_a_stall_that_ends_goes_on(sim):
    peer = await sent(sim, request("tokens=20;stall_after=7;stall_for=0.2"))
    await peer.until(b"[DONE]")
    record = await the_only_record(sim)
    assert record.ended_at - record.started_at >= 0.2
    assert (record.finished, record.output_tokens_written) == ("completed", 20)
    peer.transport.close()


@pytest.mark.parametrize(("how", "reset"), [("close", False), ("reset", True)])
async def test_a_cut_stream_ends_without_its_last_chunk(sim, how, reset):
    peer = await sent(sim, request(f"tokens=20;gap=0.002;cut_after=7;cut_by={how}"))
    async with asyncio.timeout(5):
        lost = await peer.lost
    assert isinstance(lost, ConnectionResetError) == reset
    assert peer.received.count(b"data: ") == 8
    assert not peer.received.endswith(b"0\r\n\r\n")
    record = await the_only_record(sim)
    assert (record.finished, record.output_tokens, record.status) == ("cut", 7, 200)


async def test_a_stream_may_be_cut_behind_its_preamble(sim):
    peer = await sent(sim, request("cut_after=0"))
    async with asyncio.timeout(5):
        await peer.lost
    assert peer.received.count(b"data: ") == 1
    assert b'"role":"assistant"' in peer.received


async def test_a_whole_answer_that_is_cut_lacks_its_second_half(sim):
    peer = await sent(sim, request("cut_after=3", stream=False))
    async with asyncio.timeout(5):
        await peer.lost
    head, body = peer.received.split(b"\r\n\r\n", 1)
    assert f"content-length: {2 * len(body)}"[:-1].encode() in head
    record = await the_only_record(sim)
    assert (record.finished, record.output_tokens, record.prompt_tokens) == ("cut", 0, 8)


async def test_an_error_instead_of_an_answer_costs_nothing(sim):
    peer = await sent(sim, request("error_after=3", stream=False))
    await peer.until(b"HTTP/1.1 500")
    record = await the_only_record(sim)
    assert (record.finished, record.prompt_tokens, record.output_tokens) == ("error", 0, 0)
    peer.transport.close()


async def test_hanging_up_sends_no_byte(sim):
    peer = await sent(sim, request("hang_up=close"))
    async with asyncio.timeout(5):
        await peer.lost
    assert peer.received == b""
    record = await the_only_record(sim)
    assert (record.finished, record.status) == ("hung_up", None)


async def test_events_are_split_across_packets(sim):
    peer = await sent(sim, request("tokens=30;gap=0.005;split=2"))
    await peer.until(b"0\r\n\r\n")
    # A packet ends with the end of an HTTP chunk; one that is whole ends with an event's empty line before it.
    assert sum(not packet.endswith((b"\n\n\r\n", b"0\r\n\r\n")) for packet in peer.packets) > 20
    assert (await the_only_record(sim)).output_tokens_written == 30
    peer.transport.close()


async def test_a_drip_is_slow(sim):
    peer = await sent(sim, request("tokens=1;drip_bytes=40;drip_gap=0.002"))
    await peer.until(b"0\r\n\r\n")
    assert len(peer.packets) > 15
    peer.transport.close()


async def test_a_malformed_event_lies_between_good_ones(sim):
    peer = await sent(sim, request("tokens=5;malformed_after=2"))
    await peer.until(b"0\r\n\r\n")
    events = [line for line in peer.received.split(b"\n") if line.startswith(b"data: {")]
    assert [is_json(line.removeprefix(b"data: ")) for line in events] == [True] * 3 + [False] + [True] * 4
    peer.transport.close()


def is_json(data):
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


async def test_times_are_kept(sim):
    peer = await sent(sim, request("tokens=11;opening=0.05;first_token=0.1;gap=0.02"))
    await peer.until(b"[DONE]")
    record = await the_only_record(sim)
    assert 0.149 <= record.first_token_at - record.started_at < 2
    assert 0.195 <= record.ended_at - record.first_token_at < 2
    peer.transport.close()


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


async def test_a_client_that_does_not_read_is_not_written_to(sim):
    peer = await connect(sim)
    peer.transport.pause_reading()
    peer.transport.write(request("tokens=200000"))
    await eventually(lambda: held_back(sim))
    peer.transport.abort()
    record = await the_only_record(sim)
    assert record.finished == "client_left"
    assert 0 < record.output_tokens_written < 200_000


async def test_a_slow_reader_gets_everything_in_the_end(sim):
    peer = await connect(sim)
    peer.transport.pause_reading()
    peer.transport.write(request("tokens=40000"))
    await eventually(lambda: held_back(sim))
    peer.transport.resume_reading()
    await eventually(lambda: peer.packets and peer.packets[-1].endswith(b"0\r\n\r\n"), 20)
    assert peer.received.count(b"data: ") == 40000 + 3
    peer.transport.close()


async def test_a_client_that_neither_reads_nor_will_send_is_gone(sim):
    peer = await connect(sim)
    peer.transport.pause_reading()
    peer.transport.write(request("tokens=200000"))
    await eventually(lambda: held_back(sim))
    peer.transport.write_eof()
    assert (await the_only_record(sim)).finished == "client_left"
    peer.transport.abort()


async def test_two_long_answers_in_a_row_reach_a_slow_reader_whole(sim):
    peer = await connect(sim)
    peer.transport.pause_reading()
    peer.transport.write(request("tokens=30000") + request("tokens=30000"))
    await eventually(lambda: held_back(sim))
    peer.transport.resume_reading()
    await eventually(lambda: len(sim.served()) == 2, 20)
    await eventually(lambda: peer.packets[-1].endswith(b"0\r\n\r\n"))
    assert peer.received.count(b"data: ") == 2 * 30003
    peer.transport.close()


def held_back(sim):
    """Is anybody waiting for a client to read?"""
    return any(connection._delivery and connection._delivery._turn_missed for connection in sim.connections)


async def test_three_hundred_streams_at_once_are_all_whole(sim):
    peers = [await sent(sim, request("tokens=50;first_token=0..0.1;gap=0.02")) for _ in range(300)]
    for peer in peers:
        await eventually(lambda peer=peer: peer.received.endswith(b"0\r\n\r\n"), 20)
    assert {peer.received.count(b"data: ") for peer in peers} == {53}
    assert sim.totals().output_tokens_written == 300 * 50
    for peer in peers:
        peer.transport.close()


async def test_stopping_ends_what_is_under_way_and_records_it():
    async with running_simulator(Config()) as sim:
        peer = await sent(sim, request("tokens=1000;gap=0.01"))
        await peer.until(b"data: ")
    async with asyncio.timeout(5):
        await peer.lost
    (record,) = sim.served()
    assert record.finished == "stopped"


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
