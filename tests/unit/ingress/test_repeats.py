"""A request that is sent again is recognised by its sender's key and by what it asks for."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.admission import CompletionRequest, Manner, Refused, Wishes, read_request, read_wishes
from services.ingress.admission.repeats import read_key, repeat_of
from shared.contracts import Door, JsonObject, Lane
from tests.suites.ingress import CHAT, chat_body

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


def reordered(value: object) -> object:
    match value:
        case dict():
            return {name: reordered(inner) for name, inner in reversed(value.items())}
        case list():
            return [reordered(inner) for inner in value]
        case _:
            return value


@given(OBJECTS)
def test_the_order_of_fields_makes_no_other_request(content: JsonObject) -> None:
    other = reordered(content)
    assert isinstance(other, dict)
    assert repeat_of("k", content) == repeat_of("k", other)


@given(OBJECTS, OBJECTS)
def test_other_content_is_another_request(one: JsonObject, other: JsonObject) -> None:
    same = orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
    assert (repeat_of("k", one) == repeat_of("k", other)) is same


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("abc", "abc"),
        (' "8e03978e-40d5-43dd-bc93-6894a57f9324" ', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"', '"'),
        ("a" * 512, "a" * 512),
        ("", None),
        ('""', None),
        ("a" * 513, None),
        ("ü", None),
        ("a\x00", None),
    ],
)
def test_a_key_is_read_quoted_or_bare(text: str, key: str | None) -> None:
    assert read_key(text) == key


def read(raw: bytes, wishes: Wishes, door: Door = Door.JOBS) -> CompletionRequest:
    found = read_request(raw, Manner(door, Lane.INTERACTIVE), wishes)
    assert isinstance(found, CompletionRequest)
    return found


def test_without_a_key_nothing_is_recognised() -> None:
    assert read(chat_body(), Wishes()).repeat is None


def test_what_a_batch_line_says_beside_its_body_counts_too() -> None:
    wishes = Wishes(key="k")
    lines = [orjson.dumps({"custom_id": name, "body": CHAT}) for name in ("a", "a", "b")]
    first, again, other = (read(line, wishes).repeat for line in lines)
    assert first == again != other
    scheduled = read(chat_body(not_before="2026-11-22T06:00:00Z"), wishes).repeat
    assert scheduled != read(chat_body(not_before="2026-11-23T06:00:00Z"), wishes).repeat


def test_every_door_recognises_the_same_request() -> None:
    wishes = Wishes(key="k")
    assert read(chat_body(), wishes, Door.CHAT).repeat == read(chat_body(), wishes, Door.JOBS).repeat


def test_a_key_that_is_none_is_refused_by_its_header() -> None:
    refused = read_wishes({"idempotency-key": "ü"}.get, "x-sluice-", key_header="idempotency-key")
    assert isinstance(refused, Refused)
    assert refused.param == "idempotency-key"
