"""What happens on the wire: packets, connections that end, clients that leave, and what the served log says of it."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from simulator import Config, Simulator, running_simulator
from tests.suites.simulator_peer import connect, eventually, request, sent, the_only_record
from tests.suites.timing import soon


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(Config(seed=1, max_body_bytes=100_000)) as simulator:
        yield simulator


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
    async with asyncio.timeout(20):
        lost = await peer.lost
    assert isinstance(lost, ConnectionResetError) == reset
    assert peer.received.count(b"data: ") == 8
    assert not peer.received.endswith(b"0\r\n\r\n")
    record = await the_only_record(sim)
    assert (record.finished, record.output_tokens, record.status) == ("cut", 7, 200)


async def test_a_stream_may_be_cut_behind_its_preamble(sim):
    peer = await sent(sim, request("cut_after=0"))
    async with asyncio.timeout(20):
        await peer.lost
    assert peer.received.count(b"data: ") == 1
    assert b'"role":"assistant"' in peer.received


async def test_a_whole_answer_that_is_cut_lacks_its_second_half(sim):
    peer = await sent(sim, request("cut_after=3", stream=False))
    async with asyncio.timeout(20):
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
    async with asyncio.timeout(20):
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
    async def told():
        before = len(sim.served())
        peer = await sent(sim, request("tokens=11;opening=0.05;first_token=0.1;gap=0.02"))
        await eventually(lambda: len(sim.served()) > before)
        record = sim.served()[-1]
        # Each from the beginning: whoever was late for the first token catches up on the way to the last one.
        assert record.first_token_at - record.started_at >= 0.149
        assert record.ended_at - record.started_at >= 0.345
        peer.transport.close()
        return record.ended_at - record.started_at

    assert await soon(told, 2)


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
    async with asyncio.timeout(20):
        await peer.lost
    (record,) = sim.served()
    assert record.finished == "stopped"
