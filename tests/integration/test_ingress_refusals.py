"""What bad input gets at ingress on the real servers: OpenAI's shape, the right status, and nothing in the queue."""

import base64
import random
from collections.abc import AsyncIterator, Callable

import httpx
import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.blobs import INLINE_BYTES
from shared.ids import new_job_id
from shared.kafka import ensure_topics
from shared.topics import JOBS_INTERACTIVE
from tests.suites.ingress import AUTH, KEY, OTHER_TENANTS_KEY, chat_body
from tests.suites.served_ingress import Place, ServedIngress, fresh_place, serving_ingress, the_config, until

LIMIT = INLINE_BYTES
"""The stand-in for a worker reads no claim checks."""

CHAT = "/v1/chat/completions"
JOBS = "/v1/jobs"


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    """One for the whole module: nothing here leaves a trace in it."""
    config = the_config(limits={"body_bytes": LIMIT})
    async with (
        fresh_place(kafka_url, redis_url, postgres_url) as place,
        serving_ingress(place, config=config) as served,
    ):
        yield served


@pytest.fixture
async def client(served: ServedIngress) -> AsyncIterator[httpx.AsyncClient]:
    queued = len(served.worker.jobs)
    async with served.client() as client:
        yield client
        # What is behind all that was queued: had something been, it would have come before.
        last = (await client.post(JOBS, content=chat_body(user="last"))).json()["id"]
    await until(lambda: served.worker.jobs[-1:] != [] and served.worker.jobs[-1].id == last, "the last job arrives")
    assert len(served.worker.jobs) == queued + 1


def error_of(answer: httpx.Response) -> dict[str, str | None]:
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    (error,) = answer.json().values()
    assert error.keys() == {"message", "type", "param", "code"}
    found: dict[str, str | None] = error
    return found


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, error_of(answer)["code"]


@pytest.mark.parametrize("path", [CHAT, JOBS])
@pytest.mark.parametrize("body", [b'{"model":', b"", b"\xff", b"[]", b"null", b'{"model": NaN}', b"[" * 9000])
async def test_malformed_json_is_a_400(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await client.post(path, content=body)
    assert outcome(answer) == (400, "malformed_json")
    assert error_of(answer)["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", [CHAT, JOBS])
@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": None}, "invalid_type", "model"),
        ({"model": ""}, "invalid_value", "model"),
        ({"messages": "hi"}, "invalid_type", "messages"),
        ({"messages": [1]}, "invalid_type", "messages[0]"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"stream": "yes"}, "invalid_type", "stream"),
        ({"n": 0}, "invalid_value", "n"),
        ({"max_tokens": -1}, "invalid_value", "max_tokens"),
        ({"metadata": {"k": 1}}, "invalid_type", "metadata.k"),
    ],
)
async def test_a_field_that_is_wrong_is_named(
    client: httpx.AsyncClient, path: str, fields: dict[str, object], code: str, param: str
) -> None:
    answer = await client.post(path, content=chat_body(**fields))
    assert outcome(answer) == (400, code)
    assert error_of(answer)["param"] == param


@pytest.mark.parametrize("path", [CHAT, JOBS])
async def test_an_unknown_model_is_a_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=chat_body(model="gpt-9"))
    assert outcome(answer) == (404, "model_not_found")
    assert "`gpt-9`" in str(error_of(answer)["message"])


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer"}, {"authorization": f"Basic {KEY}"}])
async def test_no_key_is_a_401(client: httpx.AsyncClient, served: ServedIngress, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=served.url(), headers=headers, trust_env=False) as stranger:
        answer = await stranger.post(CHAT, content=chat_body())
    assert outcome(answer) == (401, "invalid_api_key")
    assert "didn't provide" in str(error_of(answer)["message"])
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("key", [f"{KEY[:-1]}b", f"slk_nobody_{'a' * 64}", "sk-proj-abc", "slk_", "slk_web"])
async def test_a_wrong_key_is_a_401(client: httpx.AsyncClient, served: ServedIngress, key: str) -> None:
    async with httpx.AsyncClient(base_url=served.url(), trust_env=False) as stranger:
        for header in ({"authorization": f"Bearer {key}"}, {"api-key": key}, {"x-api-key": key}):
            answer = await stranger.post(CHAT, content=chat_body(), headers=header)
            assert outcome(answer) == (401, "invalid_api_key")
            assert key not in answer.text


async def test_another_tenants_job_is_answered_like_one_that_never_was(served: ServedIngress) -> None:
    async with served.client() as client:
        job = (await client.post(JOBS, content=chat_body())).json()["id"]
        rival = {"authorization": f"Bearer {OTHER_TENANTS_KEY}"}
        answers = [
            [
                await client.get(f"{JOBS}/{each}", headers=rival),
                await client.get(f"{JOBS}/{each}/events", headers=rival),
                await client.get(f"{JOBS}/{each}/events", headers=rival | {"last-event-id": "1-1"}),
                await client.post(f"{JOBS}/{each}/cancel", headers=rival),
            ]
            for each in (job, new_job_id())
        ]
        listed = await client.get(JOBS, headers=rival)
        assert {outcome(answer) for found in answers for answer in found} == {(404, "job_not_found")}
        theirs, nobodys = (
            [answer.text.replace(answer.json()["error"]["message"], "") for answer in a] for a in answers
        )
        assert theirs == nobodys
        assert listed.json()["data"] == []
        assert not (await client.get(f"{JOBS}/{job}")).json()["cancel_requested"]


@pytest.mark.parametrize("job", ["job_1", "chatcmpl-1", "%00", "ü", "..", "job_" + "0" * 32])
async def test_what_is_no_jobs_id_is_a_404(client: httpx.AsyncClient, job: str) -> None:
    for answer in (await client.get(f"{JOBS}/{job}/events"), await client.post(f"{JOBS}/{job}/cancel")):
        assert answer.status_code == 404


@pytest.mark.parametrize("path", [CHAT, JOBS])
async def test_too_long_a_context_is_a_400_with_both_numbers(client: httpx.AsyncClient, path: str) -> None:
    messages = [{"role": "user", "content": "one two three four " * 20}]
    answer = await client.post(path, content=chat_body(model="tiny", messages=messages, max_tokens=5))
    assert outcome(answer) == (400, "context_length_exceeded")
    message = str(error_of(answer)["message"])
    assert "maximum context length is 20 tokens" in message
    assert "you requested 93 tokens (88 in the messages, 5 in the completion)" in message


async def test_a_prompt_of_any_length_is_counted_before_it_is_refused(client: httpx.AsyncClient) -> None:
    text = "Sluice gates open and close. " * 30_000
    answer = await client.post(CHAT, content=chat_body(messages=[{"role": "user", "content": text}]))
    assert outcome(answer) == (400, "context_length_exceeded")
    assert "128000 tokens" in str(error_of(answer)["message"])


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Without a length, as a client streams what it does not have in memory."""
    for at in range(0, len(body), 65_536):
        yield body[at : at + 65_536]


@pytest.mark.parametrize("path", [CHAT, JOBS])
@pytest.mark.parametrize("send", [bytes, _in_pieces], ids=["announced", "chunked"])
async def test_a_body_over_the_limit_is_a_413_that_reaches_its_sender(
    client: httpx.AsyncClient, path: str, send: Callable[[bytes], object]
) -> None:
    body = chat_body(padding="x" * LIMIT * 8)  # far more than the sockets hold between them
    for _ in range(3):
        answer = await client.post(path, content=send(body))  # type: ignore[arg-type]
        assert outcome(answer) == (413, "request_too_large")
        assert str(LIMIT) in str(error_of(answer)["message"])


async def test_a_body_of_exactly_the_limit_is_a_job(served: ServedIngress) -> None:
    padding = "x" * (LIMIT - len(chat_body(padding="")))
    async with served.client() as client:
        answer = await client.post(JOBS, content=chat_body(padding=padding))
    assert answer.status_code == 202
    job = answer.json()["id"]
    await until(lambda: job in [each.id for each in served.worker.jobs], "the job arrives")
    assert served.worker.jobs[-1].body["padding"] == padding


async def test_a_body_that_the_broker_does_not_take_is_a_413_too(place: Place) -> None:
    await ensure_topics(place.kafka_url, place.topic_prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka_url)
    await admin.start()
    topic = JOBS_INTERACTIVE.at(place.topic_prefix)
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "100000"})])
    await admin.close()
    noise = base64.b64encode(random.Random(1).randbytes(300_000)).decode()
    async with serving_ingress(place) as served, served.client() as client:
        answer = await client.post(JOBS, content=chat_body(noise=noise))
        assert outcome(answer) == (413, "request_too_large")
        lines = b"\n".join([chat_body(), chat_body(noise=noise)])
        narrow = {"content-type": "application/jsonl", "x-sluice-lane": "interactive"}
        first, second = map(orjson.loads, (await client.post(JOBS, content=lines, headers=narrow)).text.splitlines())
    assert (first["status"], second["error"]["code"]) == ("queued", "request_too_large")


@pytest.mark.parametrize("cursor", ["x", "1", "1-", "-1", "1-2-3", "1 - 2", "0x1-1", "9" * 40 + "-1", "٣-٣"])
async def test_a_cursor_that_is_none_is_a_400(served: ServedIngress, cursor: str) -> None:
    async with served.client() as client:
        job = (await client.post(JOBS, content=chat_body())).headers["location"]
        header = await client.get(f"{job}/events", headers={"last-event-id": cursor.encode()})
        query = await client.get(f"{job}/events", params={"after": cursor})
    for answer in (header, query):
        assert outcome(answer) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"after": "job_1"}, "after"),
        ({"status": "done"}, "status"),
    ],
)
async def test_a_page_that_makes_no_sense_is_a_400(
    client: httpx.AsyncClient, params: dict[str, str], param: str
) -> None:
    answer = await client.get(JOBS, params=params)
    assert outcome(answer) == (400, "invalid_value")
    assert error_of(answer)["param"] == param


@pytest.mark.parametrize(
    "headers",
    [
        {"x-sluice-lane": "fast"},
        {"x-sluice-deadline": "0"},
        {"x-sluice-deadline": "1e9"},
        {"x-sluice-deadline": "601"},
        {"x-sluice-on-interrupt": "shrug"},
        {"x-sluice-feature": "ü"},
    ],
)
async def test_a_wish_that_makes_no_sense_is_a_400(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in (AUTH | headers).items()]
    answer = await client.post(CHAT, content=chat_body(), headers=raw)
    assert answer.status_code == 400
    assert error_of(answer)["param"] in {*headers, "deadline"}


async def test_an_unknown_path_and_an_unknown_method_have_the_same_shape(client: httpx.AsyncClient) -> None:
    assert outcome(await client.get("/v1/nothing")) == (404, "unknown_url")
    method = await client.delete(JOBS)
    assert outcome(method) == (405, "method_not_allowed")
    assert method.headers["allow"] == "GET, POST"
