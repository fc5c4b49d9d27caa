"""The event stream, case by case as the HTML standard has them, and cut at every byte."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.providers.sse import ServerSentEvent, SseDecoder, SseOverflowError


def message(data: bytes, event: str = "message", last_id: str = "") -> ServerSentEvent:
    return ServerSentEvent(data, event, last_id)


CASES: dict[str, tuple[bytes, list[ServerSentEvent]]] = {
    "a line of data": (b"data: a\n\n", [message(b"a")]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [message(b"a"), message(b"b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [message(b"a"), message(b"b")]),
    "mixed line ends": (b"data: a\r\ndata: b\rdata: c\n\r\n", [message(b"a\nb\nc")]),
    "no space behind the colon": (b"data:a\n\n", [message(b"a")]),
    "only one space is taken off": (b"data:  a\n\n", [message(b" a")]),
    "several lines of data": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [message(b"YHOO\n+2\n10")]),
    "an empty line of data": (b"data\n\ndata\ndata\n\n", [message(b""), message(b"\n")]),
    "data with a colon": (b'data: {"a": 1}\n\n', [message(b'{"a": 1}')]),
    "a comment": (b": keep-alive\n\ndata: a\n: more\n\n", [message(b"a")]),
    "a named event": (b"event: add\ndata: 1\n\ndata: 2\n\n", [message(b"1", "add"), message(b"2")]),
    "a name without data is forgotten": (b"event: add\n\ndata: 1\n\n", [message(b"1")]),
    "the id stays": (b"id: 7\ndata: a\n\ndata: b\n\n", [message(b"a", last_id="7"), message(b"b", last_id="7")]),
    "an empty id resets": (b"id: 7\ndata: a\n\nid\ndata: b\n\n", [message(b"a", last_id="7"), message(b"b")]),
    "an id with NUL is ignored": (b"id: 7\0\ndata: a\n\n", [message(b"a")]),
    "retry and unknown fields are ignored": (b"retry: 10\nfoo: bar\ndata: a\n\n", [message(b"a")]),
    "a name with a space is unknown": (b" data: a\n\n", []),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [message(b"a")]),
    "only the first byte order mark": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    "blank lines alone": (b"\n\r\n\r\r\n\n", []),
    "no blank line at the end": (b"data: a\n\ndata: b\n", [message(b"a")]),
    "nothing": (b"", []),
    "text beyond ASCII": ("event: né\ndata: Zürich 東京\n\n".encode(), [message("Zürich 東京".encode(), "né")]),
    "separators that are no line ends": (
        "data: a\u2028b\u0085c\x0bd\n\n".encode(),
        [message("a\u2028b\u0085c\x0bd".encode())],
    ),
}


@pytest.mark.parametrize(("stream", "events"), CASES.values(), ids=CASES.keys())
def test_a_stream_gives_its_events(stream: bytes, events: list[ServerSentEvent]) -> None:
    assert SseDecoder().feed(stream) == events


@pytest.mark.parametrize(("stream", "events"), CASES.values(), ids=CASES.keys())
def test_where_a_stream_is_cut_does_not_matter(stream: bytes, events: list[ServerSentEvent]) -> None:
    for cut in range(len(stream) + 1):
        decoder = SseDecoder()
        assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == events, cut


@pytest.mark.parametrize(("stream", "events"), CASES.values(), ids=CASES.keys())
def test_a_stream_may_come_byte_by_byte(stream: bytes, events: list[ServerSentEvent]) -> None:
    decoder = SseDecoder()
    assert [event for place in range(len(stream)) for event in decoder.feed(stream[place : place + 1])] == events


@given(st.binary(max_size=200).map(lambda noise: noise.replace(b"x", b"data: ")), st.lists(st.integers(0, 400)))
def test_any_bytes_give_the_same_events_however_they_are_cut(noise: bytes, cuts: list[int]) -> None:
    whole, piecemeal = SseDecoder(), SseDecoder()
    places = [0, *sorted(min(cut, len(noise)) for cut in cuts), len(noise)]
    pieces = [noise[start:end] for start, end in pairwise(places)]
    assert [event for piece in pieces for event in piecemeal.feed(piece)] == whole.feed(noise)


def test_an_event_ends_with_its_blank_line_even_when_a_line_feed_may_still_come() -> None:
    assert SseDecoder().feed(b"data: a\r\r") == [message(b"a")]


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 50, b"x" * 56, b"data\n" * 11])
def test_an_event_without_end_is_refused(piece: bytes) -> None:
    decoder = SseDecoder(limit=1000)
    for _ in range(1000 // len(piece)):
        assert decoder.feed(piece) == []
    with pytest.raises(SseOverflowError):
        decoder.feed(piece)


def test_a_stream_without_end_is_not_refused() -> None:
    decoder = SseDecoder(limit=1000)
    stream = b": keep-alive\n\ndata: 0123456789\n\n" * 500
    cut = [stream[place : place + 7] for place in range(0, len(stream), 7)]
    assert sum(len(decoder.feed(piece)) for piece in cut) == 500
