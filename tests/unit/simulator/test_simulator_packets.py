import math
from random import Random

import httptools
from hypothesis import given
from hypothesis import strategies as st

from simulator.packets import Packet, mannered
from simulator.response import Response
from simulator.script import Script
from simulator.server.bursts import bursts

packets = st.lists(
    st.builds(
        Packet,
        wait=st.sampled_from([0.0, 0.02, math.inf]),
        data=st.binary(max_size=40),
        tokens=st.integers(0, 2),
        reported=st.none() | st.integers(0, 5),
        end=st.none(),
    ),
    min_size=1,
    max_size=80,
)


def joined(given_packets):
    return b"".join(packet.data for packet in given_packets)


@given(packets, st.integers(1, 5))
def test_splitting_changes_no_byte_and_no_count(plain, cuts):
    found = list(mannered(plain, Script(split=cuts), Random(1)))
    assert joined(found) == joined(plain)
    assert sum(packet.tokens for packet in found) == sum(packet.tokens for packet in plain)
    assert [packet.reported for packet in found if packet.reported] == [p.reported for p in plain if p.reported]


def test_a_split_event_arrives_in_that_many_packets_more():
    found = list(mannered([Packet(0.02, b"data: {}\n\n", 1)], Script(split=3), Random(1)))
    assert len(found) == 4
    assert all(packet.data for packet in found)
    assert [packet.tokens for packet in found] == [0, 0, 0, 1]


@given(packets, st.integers(1, 9))
def test_dripping_changes_no_byte_and_no_count(plain, size):
    found = list(mannered(plain, Script(drip_bytes=size), Random(1)))
    assert joined(found) == joined(plain)
    assert max(len(packet.data) for packet in found) <= size
    assert sum(packet.tokens for packet in found) == sum(packet.tokens for packet in plain)


class Received:
    def __init__(self, data):
        self.body, self.complete = b"", False
        httptools.HttpResponseParser(self).feed_data(data)

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.complete = True


def sent(response):
    return list(bursts(response, keep_alive=True))


@given(packets)
def test_a_stream_is_whole_and_its_counts_are_kept_however_it_is_gathered(plain):
    found = sent(Response(200, (("a", "b"),), None, plain))
    received = Received(b"".join(burst[1] for burst in found))
    assert received.body == joined(plain)
    assert received.complete
    assert sum(burst[2] for burst in found) == sum(packet.tokens for packet in plain)
    assert [burst[4] for burst in found] == [None] * (len(found) - 1) + ["completed"]


@given(packets)
def test_a_body_of_known_length_is_sent_as_it_is(plain):
    received = Received(b"".join(burst[1] for burst in sent(Response(200, (), len(joined(plain)), plain))))
    assert received.body == joined(plain)
    assert received.complete


@given(packets)
def test_times_are_kept_however_packets_are_gathered(plain):
    found = sent(Response(200, (), None, plain))
    assert sum(burst[0] for burst in found) == sum(packet.wait for packet in plain)
    # Nothing is sent earlier than it is due: a burst holds no packet that had to wait for the one before.
    assert len(found) >= 1 + sum(packet.wait > 0 for packet in plain[1:])


def test_a_stream_that_is_cut_lacks_its_last_chunk():
    found = sent(Response(200, (), None, [Packet(0, b"x", 1), Packet(0, b"", end="close")]))
    assert not Received(b"".join(burst[1] for burst in found)).complete
    assert found[-1][4] == "close"


def test_nothing_goes_out_together_with_a_reset():
    found = sent(Response(200, (), None, [Packet(0, b"x", 1), Packet(0, b"", end="reset")]))
    assert [(burst[1] != b"", burst[4]) for burst in found] == [(True, None), (False, "reset")]


def test_a_response_without_status_sends_nothing():
    assert sent(Response(None, (), None, [Packet(1.0, b"", end="close")])) == [(1.0, b"", 0, None, "close")]


def test_a_stream_without_gaps_lets_others_have_their_turn():
    found = sent(Response(200, (), None, [Packet(0, b"x", 1)] * 100))
    assert max(burst[2] for burst in found) == 32
