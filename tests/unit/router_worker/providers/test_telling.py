"""How an answer that was read in other words is told in OpenAI's."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from services.router_worker.events import Answered, Chunk, Failed, Finished, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialect import Envelope
from services.router_worker.providers.reading import AnswerDecoder
from services.router_worker.providers.telling import Telling
from shared.contracts import JsonObject, TokenUsage

ENVELOPE = Envelope("chatcmpl-ours", 1_700_000_000, "our-model", streamed=True, include_usage=False)
WHOLE = replace(ENVELOPE, streamed=False)


class Plain:
    """A family whose events are texts, and whose last one says so."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling

    def event(self, name: str, data: JsonObject) -> None:
        self._telling.text(str(data["text"]))
        if data.get("last"):
            self._telling.finish("stop")
            self._telling.end()

    def whole(self, body: JsonObject) -> None:
        self.event("message", body)


def deltas(telling: Telling) -> list[Any]:
    return [orjson.loads(event.data)["choices"][0] for event in telling.told() if isinstance(event, Chunk)]


def test_only_the_first_word_of_a_choice_brings_its_role() -> None:
    telling = Telling(ENVELOPE)
    telling.text("Hel")
    telling.text("lo")
    telling.text("Bonjour", 1)
    telling.finish("stop")
    assert deltas(telling) == [
        {"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None},
        {"index": 0, "delta": {"content": "lo"}, "finish_reason": None},
        {"index": 1, "delta": {"role": "assistant", "content": "Bonjour"}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]


def test_text_alone_is_plain_and_everything_said_is_output() -> None:
    telling = Telling(ENVELOPE)
    telling.text("a")
    telling.text("b")
    telling.reasoning("c")
    telling.tool(0, "call_1", "f")
    telling.arguments(0, "{}")
    telling.finish("tool_calls")
    told = [event for event in telling.told() if isinstance(event, Chunk)]
    assert [(chunk.text, chunk.is_output, chunk.plain) for chunk in told] == [
        ("a", True, False),
        ("b", True, True),
        ("", True, False),
        ("", True, False),
        ("", True, False),
        ("", False, False),
    ]


def test_chunks_are_in_our_name_and_name_the_model_that_serves() -> None:
    telling = Telling(replace(ENVELOPE, include_usage=True))
    telling.serves("their-model")
    telling.text("Hi")
    telling.finish("stop")
    telling.used(TokenUsage(uncached_input=2, cache_read=3, cache_write=1, output=4, reasoning=1))
    telling.end()
    *said, usage_chunk, usage, ending = telling.told()
    bodies = [orjson.loads(event.data) for event in [*said, usage_chunk] if isinstance(event, Chunk)]
    assert {(body["id"], body["created"], body["model"]) for body in bodies} == {
        ("chatcmpl-ours", 1_700_000_000, "their-model")
    }
    assert [body["usage"] for body in bodies[:-1]] == [None, None]
    assert bodies[-1]["choices"] == []
    assert bodies[-1]["usage"] == {
        "prompt_tokens": 6,
        "completion_tokens": 4,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    assert isinstance(usage, UsageReported)
    assert ending == Finished("stop", "their-model")


def test_an_answer_that_lacks_only_its_end_mark_has_ended() -> None:
    telling = Telling(ENVELOPE)
    telling.text("Hi")
    telling.finish("stop")
    telling.close(Failure(FailureKind.CUT, "The line went dead."))
    assert telling.told()[-1] == Finished("stop", None)


@pytest.mark.parametrize(("said", "kind"), [("Hi", FailureKind.CUT), ("", FailureKind.EMPTY)])
def test_an_answer_without_a_finish_has_failed(said: str, kind: FailureKind) -> None:
    telling = Telling(ENVELOPE)
    telling.text(said)
    telling.close(None)
    ending = telling.told()[-1]
    assert isinstance(ending, Failed)
    assert ending.failure.kind is kind


def test_what_was_used_is_told_though_the_answer_failed() -> None:
    telling = Telling(ENVELOPE)
    telling.used(TokenUsage(uncached_input=5))
    telling.fail(Failure(FailureKind.OVERLOADED, "Busy."))
    telling.end()
    usage, ending = telling.told()
    assert isinstance(usage, UsageReported)
    assert isinstance(ending, Failed)


def test_a_model_may_stop_at_once_but_a_server_that_counted_nothing_fell_over() -> None:
    for output, kind in ((1, Finished), (0, Failed)):
        telling = Telling(ENVELOPE)
        telling.finish("stop")
        telling.used(TokenUsage(uncached_input=5, output=output))
        telling.end()
        assert isinstance(telling.told()[-1], kind)


def test_an_answer_in_one_piece_is_put_together_of_what_was_told() -> None:
    decoder = AnswerDecoder(WHOLE, Plain)
    assert decoder.feed(b'{"text": "Hel') == []
    assert decoder.feed(b'lo", "last": true}') == []
    answered, ending = decoder.close()
    assert isinstance(answered, Answered)
    assert answered.response["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello"},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert (answered.response["object"], answered.response["id"]) == ("chat.completion", "chatcmpl-ours")
    assert isinstance(ending, Finished)


def test_a_document_where_a_stream_was_asked_for_is_told_as_a_stream() -> None:
    decoder = AnswerDecoder(ENVELOPE, Plain)
    decoder.feed(b' {"text": "Hello", "last": true}')
    assert [type(event) for event in decoder.close()] == [Chunk, Chunk, Finished]


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"data: {\n\n", FailureKind.MALFORMED),
        (b"data: 7\n\n", FailureKind.MALFORMED),
        (b'data: {"txt": 1}\n\n', FailureKind.MALFORMED),
        (b'data: {"text": "Hi"}\n\n', FailureKind.CUT),
        (b"<html>Bad gateway</html>", FailureKind.MALFORMED),
        (b"", FailureKind.EMPTY),
        (b"{]", FailureKind.MALFORMED),
    ],
)
def test_a_stream_that_is_no_answer_is_a_failure(stream: bytes, kind: FailureKind) -> None:
    decoder = AnswerDecoder(ENVELOPE, Plain)
    *_, ending = [*decoder.feed(stream), *decoder.close()]
    assert isinstance(ending, Failed)
    assert ending.failure.kind is kind
    assert [*decoder.feed(stream), *decoder.close()] == []


def test_an_answer_of_monstrous_size_is_refused() -> None:
    decoder = AnswerDecoder(WHOLE, Plain)
    megabyte = b" " * 1_000_000
    (ending,) = [event for _ in range(66) for event in decoder.feed(megabyte)]
    assert isinstance(ending, Failed)
    assert ending.failure.kind is FailureKind.MALFORMED
