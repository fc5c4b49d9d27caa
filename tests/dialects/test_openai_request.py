"""What OpenAI's dialect sends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pydantic import SecretStr

from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.dialects.openai import OpenAI
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Quirks, Timeouts
from shared.contracts import Door, Interruption, Job, JsonObject, Lane
from shared.ids import derived_job_id

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MESSAGES: list[Any] = [{"role": "user", "content": "Hello"}]
PROVIDER = Provider.model_validate({"base_url": "http://provider.test/v1", "api_key": "sk-secret"})
CANDIDATE = Candidate("p/gpt-4o-2024", "p", "gpt-4o-2024", "gpt-4o", Timeouts())


def a_job(body: JsonObject, *, streamed: bool = True) -> Job:
    return Job(
        id=derived_job_id(0, "a job"),
        tenant="t",
        caller="c",
        door=Door.JOBS,
        lane=Lane.BATCH,
        model="gpt-4o",
        body={"model": "gpt-4o", "messages": MESSAGES, **body},
        streamed=streamed,
        on_interrupt=Interruption.RESTART,
        input_tokens=1,
        accepted_at=NOON,
        deadline=NOON + timedelta(minutes=1),
    )


def encoded(
    body: JsonObject, *, streamed: bool = True, provider: Provider = PROVIDER, resume_text: str | None = None
) -> HttpCall:
    return OpenAI().encode(a_job(body, streamed=streamed), CANDIDATE, provider, resume_text)


def sent(body: JsonObject, **call: Any) -> JsonObject:
    parsed: JsonObject = orjson.loads(encoded(body, **call).body)
    return parsed


def test_it_posts_to_the_chat_completions_below_the_base_url() -> None:
    assert encoded({}).url == "http://provider.test/v1/chat/completions"
    with_slash = PROVIDER.model_copy(update={"base_url": "http://provider.test/v1/"})
    assert encoded({}, provider=with_slash).url == "http://provider.test/v1/chat/completions"


def test_only_the_model_is_replaced() -> None:
    body: JsonObject = {
        "temperature": 0.2,
        "n": 2,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "metadata": {"team": "x"},
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}
        ],
        "a_field_of_tomorrow": {"deep": [1, None, "ü"]},
    }
    assert sent(body, streamed=False) == {**body, "model": "gpt-4o-2024"}


def test_a_stream_is_asked_for_with_usage_and_the_callers_other_options() -> None:
    assert sent({})["stream"] is True
    assert sent({})["stream_options"] == {"include_usage": True}
    asked = {"include_usage": False, "include_obfuscation": False}
    assert sent({"stream_options": asked})["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_usage_is_not_asked_of_a_server_that_does_not_know_the_option() -> None:
    provider = PROVIDER.model_copy(update={"quirks": Quirks(usage_in_stream=False)})
    assert "stream_options" not in sent({"stream_options": {"include_usage": True}}, provider=provider)
    assert sent({"stream_options": {"x": 1}}, provider=provider)["stream_options"] == {"x": 1}


def test_a_job_nobody_streams_is_asked_for_in_one_piece() -> None:
    body = sent({"stream": True, "stream_options": {"include_usage": True}}, streamed=False)
    assert "stream" not in body
    assert "stream_options" not in body


def test_a_continued_answer_ends_with_what_was_shown() -> None:
    prefill = {"role": "assistant", "content": "It was a dark"}
    assert sent({}, resume_text="It was a dark")["messages"] == [*MESSAGES, prefill]
    assert sent({}, resume_text="")["messages"] == MESSAGES


def test_numbers_beyond_64_bits_pass() -> None:
    assert b'"seed":123456789012345678901234567890' in encoded({"seed": 123456789012345678901234567890}).body


def test_the_key_is_sent_without_the_line_break_of_its_file() -> None:
    provider = PROVIDER.model_copy(update={"api_key": SecretStr("sk-secret\n")})
    assert encoded({}, provider=provider).headers["authorization"] == "Bearer sk-secret"


def test_a_provider_without_a_key_gets_none() -> None:
    assert "authorization" not in encoded({}, provider=Provider.model_validate({"base_url": "http://p.test"})).headers


def test_configured_headers_are_sent_and_win() -> None:
    headers = {"OpenAI-Organization": SecretStr("org-1"), "Authorization": SecretStr("Token x")}
    sent_headers = encoded({}, provider=PROVIDER.model_copy(update={"headers": headers})).headers
    assert sent_headers["openai-organization"] == "org-1"
    assert sent_headers["authorization"] == "Token x"


def test_a_call_does_not_show_its_secrets() -> None:
    assert "secret" not in repr(encoded({}))
