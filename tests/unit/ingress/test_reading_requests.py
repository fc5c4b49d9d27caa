"""From bytes to a request: what is kept, what is refused, and that nothing makes the reader fall over."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.admission import CompletionRequest, Manner, Reason, Refused, Wishes, read_request, read_wishes
from shared.contracts import Door, Endpoint, Interruption, Job, Lane
from tests.suites.ingress import CHAT, a_job, chat_body

CHAT_DOOR = Manner(Door.CHAT, Lane.INTERACTIVE, stream_on_interrupt=Interruption.FAIL, endpoint=Endpoint.CHAT)
JOBS_DOOR = Manner(Door.JOBS, Lane.INTERACTIVE, streams_unless_told=True)
TOPIC = Manner(Door.TOPIC, Lane.BATCH)
NONE = Wishes()


def read(raw: bytes, manner: Manner = CHAT_DOOR, wishes: Wishes = NONE) -> CompletionRequest:
    request = read_request(raw, manner, wishes)
    assert isinstance(request, CompletionRequest), request
    return request


def refusal(raw: bytes, manner: Manner = CHAT_DOOR) -> Refused:
    refused = read_request(raw, manner, NONE)
    assert isinstance(refused, Refused), refused
    return refused


def test_fields_nobody_here_knows_are_kept() -> None:
    request = read(chat_body(reasoning_effort="low", x={"y": [1.5, None, "ü"]}))
    assert request.body == CHAT | {"reasoning_effort": "low", "x": {"y": [1.5, None, "ü"]}}


def test_many_lines_in_the_place_of_one_request_are_told_where_they_go() -> None:
    assert "application/jsonl" in refusal(b"{}\n{}\n", JOBS_DOOR).message
    assert "application/jsonl" not in refusal(b"{", JOBS_DOOR).message


def test_metadata_becomes_tags_and_its_feature_a_dimension() -> None:
    request = read(chat_body(metadata={"feature": "search", "team": "red"}, user="u1"))
    assert (request.feature, request.tags, request.user) == ("search", {"team": "red"}, "u1")
    assert request.body["metadata"] == {"feature": "search", "team": "red"}


def test_the_newer_name_of_the_output_limit_goes_before_the_older() -> None:
    assert read(chat_body(max_tokens=10, max_completion_tokens=20)).output_tokens == 20
    assert read(chat_body(max_tokens=10)).output_tokens == 10


@pytest.mark.parametrize(
    ("manner", "fields", "streamed"),
    [
        (CHAT_DOOR, {}, False),
        (CHAT_DOOR, {"stream": True}, True),
        (JOBS_DOOR, {}, True),
        (JOBS_DOOR, {"stream": False}, False),
        (TOPIC, {}, False),
        (TOPIC, {"stream": True}, True),
        (TOPIC, {"stream": None}, False),
    ],
)
def test_whether_deltas_are_written_is_up_to_the_door_unless_the_body_says_it(
    manner: Manner, fields: dict[str, object], streamed: bool
) -> None:
    assert read(chat_body(**fields), manner).streamed is streamed


def test_a_plain_chat_stream_fails_rather_than_begins_again() -> None:
    assert read(chat_body(stream=True)).on_interrupt is Interruption.FAIL
    assert read(chat_body()).on_interrupt is None
    assert read(chat_body(stream=True), wishes=Wishes(on_interrupt=Interruption.RESTART)).on_interrupt == "restart"


def test_a_batch_line_is_read_as_it_stands_in_peoples_files() -> None:
    line = orjson.dumps({"custom_id": "mt-81", "method": "POST", "url": "/v1/chat/completions", "body": CHAT})
    request = read(line, TOPIC)
    assert (request.custom_id, request.body, request.lane) == ("mt-81", CHAT, Lane.BATCH)


def test_a_bare_body_is_read_at_every_door() -> None:
    assert read(chat_body(), TOPIC).body == read(chat_body(), JOBS_DOOR).body == CHAT


LATER = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.mark.parametrize("manner", [JOBS_DOOR, TOPIC])
def test_a_job_says_when_it_may_begin_and_the_provider_does_not_hear_of_it(manner: Manner) -> None:
    request = read(chat_body(not_before="2026-11-22T07:00:00+01:00"), manner)
    assert request.not_before == LATER
    assert request.body == CHAT


def test_a_batch_line_says_it_beside_its_body_and_goes_before_a_header() -> None:
    line = orjson.dumps({"custom_id": "r1", "body": CHAT, "not_before": "2026-11-22T06:00:00Z"})
    assert read(line, TOPIC, Wishes(not_before=LATER + timedelta(hours=1))).not_before == LATER
    assert read(orjson.dumps({"body": CHAT}), TOPIC, Wishes(not_before=LATER)).not_before == LATER


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-22T06:00:00", [1]])
def test_a_time_without_a_zone_or_sense_is_refused(text: object) -> None:
    assert refusal(chat_body(not_before=text), JOBS_DOOR).param == "not_before"


def test_a_batch_line_is_no_chat_body() -> None:
    assert refusal(orjson.dumps({"custom_id": "a", "body": CHAT})).reason is Reason.MISSING_PARAMETER


@pytest.mark.parametrize(
    ("raw", "reason", "param"),
    [
        (b"", Reason.MALFORMED_JSON, None),
        (b"{", Reason.MALFORMED_JSON, None),
        (b"null", Reason.MALFORMED_JSON, None),
        (b"[]", Reason.MALFORMED_JSON, None),
        (b'"text"', Reason.MALFORMED_JSON, None),
        (b"\xff\xfe", Reason.MALFORMED_JSON, None),
        (b'{"model": NaN}', Reason.MALFORMED_JSON, None),
        (b'{"model": "\\ud800"}', Reason.MALFORMED_JSON, None),
        (b"{}", Reason.MISSING_PARAMETER, "model"),
        (b'{"model": "m"}', Reason.MISSING_PARAMETER, "messages"),
        (b'{"model": 7, "messages": [{}]}', Reason.INVALID_TYPE, "model"),
        (b'{"model": "", "messages": [{}]}', Reason.INVALID_VALUE, "model"),
        (b'{"model": "m", "messages": []}', Reason.INVALID_VALUE, "messages"),
        (b'{"model": "m", "messages": "hi"}', Reason.INVALID_TYPE, "messages"),
        (b'{"model": "m", "messages": ["hi"]}', Reason.INVALID_TYPE, "messages[0]"),
        (chat_body(stream="yes"), Reason.INVALID_TYPE, "stream"),
        (chat_body(n=0), Reason.INVALID_VALUE, "n"),
        (chat_body(n=1.5), Reason.INVALID_TYPE, "n"),
        (chat_body(max_tokens=-1), Reason.INVALID_VALUE, "max_tokens"),
        (chat_body(max_tokens="9"), Reason.INVALID_TYPE, "max_tokens"),
        (chat_body(metadata={"a": 1}), Reason.INVALID_TYPE, "metadata.a"),
        (chat_body(metadata={str(n): "" for n in range(17)}), Reason.INVALID_VALUE, "metadata"),
        (chat_body(user=5), Reason.INVALID_TYPE, "user"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(raw: bytes, reason: Reason, param: str | None) -> None:
    refused = refusal(raw)
    assert (refused.reason, refused.param) == (reason, param)
    assert refused.message


@pytest.mark.parametrize("url", ["/v1/images/generations", "", 7])
def test_a_batch_line_for_another_endpoint_is_refused(url: object) -> None:
    assert refusal(orjson.dumps({"url": url, "body": CHAT}), TOPIC).param == "url"


def test_json_that_nests_too_deeply_for_a_worker_is_refused_and_the_deepest_allowed_passes_through() -> None:
    def nested(levels: int) -> bytes:
        return chat_body(x=1).replace(b'"x":1', b'"x":' + b"[" * levels + b"]" * levels)

    assert refusal(nested(100)).reason is Reason.INVALID_VALUE
    job = a_job(body=read(nested(99)).body)
    assert Job.model_validate_json(job.to_bytes()) == job


def test_many_brackets_that_do_not_nest_are_fine() -> None:
    assert read(chat_body(tools=[[] for _ in range(500)]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["model", "messages", "stream", "n", "max_tokens", "metadata", "user", "body", "custom_id", "url"]
)


@given(
    st.dictionaries(NAMES, JSON | st.just([{"role": "user"}]) | st.just("gpt-4o")), st.sampled_from([CHAT_DOOR, TOPIC])
)
def test_any_object_is_a_request_or_a_refusal_and_a_request_can_be_queued(
    value: dict[str, object], manner: Manner
) -> None:
    try:
        raw = orjson.dumps(value)
    except TypeError:
        return  # an integer beyond 64 bits: not ours to send
    outcome = read_request(raw, manner, NONE)
    if isinstance(outcome, Refused):
        assert outcome.message
        return
    job = a_job(body=outcome.body, tags=outcome.tags, custom_id=outcome.custom_id)
    assert Job.model_validate_json(job.to_bytes()).body == outcome.body


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_falling_over(raw: bytes) -> None:
    assert isinstance(read_request(raw, TOPIC, NONE), CompletionRequest | Refused)


def wishes(**headers: str) -> Wishes | Refused:
    texts = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_wishes(texts.get, "sluice-", key_header="idempotency-key")


def test_wishes_are_read_from_headers() -> None:
    found = wishes(sluice_lane="Batch", sluice_deadline="1.5", sluice_on_interrupt="fail", sluice_feature="search")
    assert found == Wishes(Lane.BATCH, timedelta(seconds=1.5), Interruption.FAIL, "search")
    assert wishes(sluice_not_before="2026-11-22T06:00Z") == Wishes(not_before=LATER)
    assert wishes(sluice_route="region=eu, tier=gold") == Wishes(labels={"region": "eu", "tier": "gold"})
    assert wishes() == Wishes()


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("sluice_lane", "fast"),
        ("sluice_route", ""),
        ("sluice_route", "eu"),
        ("sluice_route", "region=eu, region=us"),
        ("sluice_route", "region=a b"),
        ("sluice_lane", ""),
        ("sluice_deadline", "0"),
        ("sluice_deadline", "-1"),
        ("sluice_deadline", "1e9"),
        ("sluice_deadline", "nan"),
        ("sluice_deadline", "٣"),
        ("sluice_not_before", "soon"),
        ("sluice_not_before", "2026-11-22T06:00"),
        ("sluice_on_interrupt", "panic"),
        ("sluice_feature", "x" * 129),
        ("sluice_feature", "tab\t"),
    ],
)
def test_a_wish_nobody_can_grant_is_refused_by_its_header(header: str, value: str) -> None:
    refused = wishes(**{header: value})
    assert isinstance(refused, Refused)
    assert refused.param == header.replace("_", "-")


EMBEDDINGS_DOOR = Manner(Door.CHAT, Lane.INTERACTIVE, endpoint=Endpoint.EMBEDDINGS)


def embeddings(given: object, **more: object) -> bytes:
    return orjson.dumps({"model": "e", "input": given, **more})


@pytest.mark.parametrize("given", ["a text", ["one", "two"], [1, 2, 3], [[1, 2], [3]]])
def test_texts_and_tokens_may_be_embedded(given: object) -> None:
    request = read(embeddings(given, metadata={"feature": "index", "x": "y"}, dimensions=3), EMBEDDINGS_DOOR)
    assert (request.endpoint, request.model, request.streamed) == (Endpoint.EMBEDDINGS, "e", False)
    assert (request.feature, request.tags) == ("index", {"x": "y"})
    assert request.body["input"] == given


@pytest.mark.parametrize("given", ["", [], ["one", ""], [[]], [1, "one"], [True], None, 7, [-1], ["x"] * 2049])
def test_nothing_else_may(given: object) -> None:
    refused = refusal(embeddings(given), EMBEDDINGS_DOOR)
    assert (refused.reason, refused.param) == (Reason.INVALID_TYPE, "input")


@pytest.mark.parametrize("field", [{"dimensions": 0}, {"encoding_format": "hex"}, {"user": 1}])
def test_what_is_read_beside_the_input_is_checked(field: dict[str, object]) -> None:
    assert refusal(embeddings("x", **field), EMBEDDINGS_DOOR).param == next(iter(field))


def test_what_a_request_is_for_is_said_by_its_door_or_its_line_or_itself() -> None:
    line = {"custom_id": "a", "url": "/v1/embeddings", "body": orjson.loads(embeddings("x"))}
    assert read(orjson.dumps(line), TOPIC).endpoint is Endpoint.EMBEDDINGS
    assert read(orjson.dumps({**line, "url": None}), TOPIC).endpoint is Endpoint.EMBEDDINGS
    assert read(embeddings("x"), JOBS_DOOR).endpoint is Endpoint.EMBEDDINGS
    assert read(chat_body(input="x"), JOBS_DOOR).endpoint is Endpoint.CHAT
    assert refusal(embeddings("x")).param == "messages"
    assert refusal(chat_body(), EMBEDDINGS_DOOR).param == "input"
    assert refusal(orjson.dumps({**line, "url": "/v1/moderations"}), TOPIC).param == "url"
    assert refusal(orjson.dumps({**line, "url": "/v1/chat/completions"}), TOPIC).param == "messages"
