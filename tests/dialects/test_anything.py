"""Whatever a caller asks and whatever a provider answers: a dialect says what it is, and never breaks over it."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.router_worker.assembly import Assembler
from services.router_worker.events import AttemptEvent, Chunk, Failed, Finished
from services.router_worker.failures import Unsupported
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.registry import DIALECTS
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Timeouts
from tests.dialects.recorded import ENVELOPE, RECORDINGS, a_decoder, played
from tests.suites.provider_calls import a_job

CANDIDATE = Candidate("p/m", "p", "m", "m", Timeouts())

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)

ORDINARY: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "stop": ["x"],
    "reasoning_effort": "low",
    "stream_options": {"include_usage": True},
    "encoding_format": "float",
}


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All places inside of a JSON value, the whole of it excepted."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in inner for place in ((*here, key), *places(each, (*here, key)))]


def with_another(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """The same with something else in that place."""
    if not place:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = with_another(copy[place[0]], place[1:], other)
    return copy


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=80, deadline=None)
@given(place=st.sampled_from(places(ORDINARY)), other=anything, streamed=st.booleans())
def test_any_request_is_a_call_or_is_told_to_be_none(
    dialect: str, place: tuple[Any, ...], other: object, streamed: bool
) -> None:
    job = a_job(streamed=streamed, **with_another(ORDINARY, place, other))
    provider = Provider.model_validate({"dialect": dialect, "base_url": "http://p.test", "api_key": "k"})
    assert isinstance(DIALECTS[dialect].encode(job, CANDIDATE, provider, None), HttpCall | Unsupported)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'"x"', b"null", b'{"error": 7}', b'{"error": {"message": 7}}']
)
def test_any_refusal_is_a_failure_with_words(dialect: str, body: bytes) -> None:
    assert DIALECTS[dialect].failure(400, {}, body).message


EVENTS = [
    (path, number)
    for path in RECORDINGS
    for number, line in enumerate(path.read_bytes().split(b"\n"))
    if line.startswith(b"data: {") and line.endswith(b"}")
]
"""Where an event stands: its recording, and the line."""


@settings(max_examples=400, deadline=None)
@given(data=st.data(), streamed=st.booleans())
def test_any_answer_has_exactly_one_ending(data: st.DataObject, streamed: bool) -> None:
    """Of a recorded stream with something else in one place of one event; also when one document was expected."""
    recording, number = data.draw(st.sampled_from(EVENTS))
    lines = recording.read_bytes().split(b"\n")
    event = orjson.loads(lines[number][6:])
    changed = with_another(event, data.draw(st.sampled_from([(), *places(event)])), data.draw(anything))
    lines[number] = b"data: " + _dumped(changed)
    decoder = a_decoder(recording, replace(ENVELOPE, streamed=streamed))
    events = played(decoder, [b"\n".join(lines) if streamed else _dumped(changed)])
    assert [isinstance(event, Finished | Failed) for event in events] == [False] * (len(events) - 1) + [True]
    assert all(_is_sound(event) for event in events)
    assembler = Assembler()
    for event in events:
        assembler.add(event)
    orjson.dumps([assembler.response(), assembler.output, assembler.text, assembler.is_resumable])


def _is_sound(event: AttemptEvent) -> bool:
    """Whether it holds what its type says; what providers send has none."""
    match event:
        case Chunk():
            return isinstance(event.text, str) and isinstance(event.choice, int)
        case Finished():
            return all(isinstance(told, str | None) for told in (event.finish_reason, event.model_served))
        case Failed(failure):
            return all(isinstance(told, str | None) for told in (failure.code, failure.param, failure.type))
        case _:
            return True


def _dumped(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return b"18446744073709551616000"
