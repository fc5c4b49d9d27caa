"""A chunk that is cut says what it would say if it were parsed."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.events import Chunk
from services.router_worker.providers.dialect import Envelope
from services.router_worker.providers.dialects.openai.cutting import Cutter
from services.router_worker.providers.dialects.openai.stream import StreamDecoder

ENVELOPE = Envelope(completion_id="chatcmpl-ours", created=7, model="m", streamed=True, include_usage=False)


def sent(text: str, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    return orjson.dumps({"id": "theirs", "created": 1, "model": "m-1", "choices": [choice], **more})


def told(text: str) -> Chunk:
    return Chunk(sent(text).replace(b"theirs", b"ours"), text, is_output=True, plain=True, choice=0)


def taught(data: bytes, chunk: Chunk) -> Cutter:
    cutter = Cutter()
    cutter.learn(data, chunk)
    return cutter


def test_what_differs_in_its_text_alone_is_cut() -> None:
    assert taught(sent("one"), told("one")).cut(sent("zwölf")) == told("zwölf")


def test_what_differs_in_more_is_not() -> None:
    cutter = taught(sent("one"), told("one"))
    assert cutter.cut(sent("two", system_fingerprint="fp")) is None
    assert cutter.cut(sent("two").replace(b"null}", b'"stop"}')) is None


def test_a_text_with_escapes_is_read_as_json() -> None:
    assert taught(sent("one"), told("one")).cut(sent('"two"\n')) is None


def test_bytes_that_are_no_text_are_read_as_json() -> None:
    assert taught(sent("one"), told("one")).cut(sent("two").replace(b"two", b"\xff")) is None


def test_a_text_that_stands_there_twice_is_no_pattern() -> None:
    twice = sent("one", echo={"content": "one"})
    assert taught(twice, told("one")).cut(twice) is None


def test_nothing_is_cut_behind_a_chunk_that_is_not_plain() -> None:
    assert taught(sent("one"), told("one")._replace(plain=False)).cut(sent("two")) is None


def test_a_provider_with_something_new_in_each_chunk_is_soon_taken_as_it_is() -> None:
    cutter = Cutter()
    for number in range(10):
        text = f"t{number}"
        cutter.learn(sent(text, obfuscation=str(number)), told(text))
    assert cutter.cut(sent("t", obfuscation="3")) is not None
    assert cutter.cut(sent("t", obfuscation="9")) is None


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=12), st.booleans())
def test_a_stream_is_told_alike_whether_its_chunks_are_cut_or_parsed(texts: list[str], spaced: bool) -> None:
    def as_sent(data: bytes) -> bytes:
        return data.replace(b'"content":"', b'"content": "') if spaced else data

    together, apart = StreamDecoder(ENVELOPE), []
    cut = [event for text in ["first", *texts] for event in together.feed(b"data: " + as_sent(sent(text)) + b"\n\n")]
    for text in ["first", *texts]:
        alone = StreamDecoder(ENVELOPE)
        alone.feed(b"data: " + sent("") + b"\n\n")  # the role goes out with the first
        apart += alone.feed(b"data: " + sent(text) + b"\n\n")
    assert cut[1:] == apart[1:]
