"""Everything that goes wrong at the HTTP door has OpenAI's shape, the right status, and tells nothing it should not."""

from datetime import timedelta

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from services.ingress.admission import Reason, Refused
from services.ingress.api.edge import Edge
from services.ingress.api.problems import of_refused
from shared.ids import new_job_id
from shared.telemetry import Instruments
from tests.suites.asgi import Call
from tests.suites.ingress import AUTH, KEY, NARROW_KEY, OTHER_TENANTS_KEY, MemoryIngress, chat_body, memory_ingress


@pytest.fixture
def ingress() -> MemoryIngress:
    return memory_ingress(body_bytes=1000)


async def ask(ingress: MemoryIngress, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Call:
    async with Call(ingress.app, method, path, headers, body) as call:
        await call.ended()
    return call


def error_of(call: Call) -> dict[str, object]:
    assert call.answer_headers["content-type"] == "application/json"
    content = orjson.loads(call.received)
    assert content.keys() == {"error"}
    assert content["error"].keys() == {"message", "type", "param", "code"}
    found: dict[str, object] = content["error"]
    return found


GUARDED = [
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/gpt-4o"),
    ("GET", "/v1/health"),
    ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/job_1"),
    ("GET", "/v1/jobs/job_1/events"),
    ("POST", "/v1/jobs/job_1/cancel"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": "Bearer sk-something-else"},
        {"authorization": f"Bearer {KEY[:-1]}b"},
        {"authorization": f"Bearer slk_nobody_{'a' * 64}"},
        {"x-api-key": "ü"},
    ],
)
async def test_without_the_right_key_nothing_is_told(
    ingress: MemoryIngress, method: str, path: str, headers: dict[str, str]
) -> None:
    call = await ask(ingress, method, path, headers, chat_body())
    assert call.status == 401
    assert error_of(call)["code"] == "invalid_api_key"
    assert call.answer_headers["www-authenticate"] == "Bearer"
    assert "slk_" not in call.received.decode()


@pytest.mark.parametrize("headers", [AUTH, {"authorization": f"bearer  {KEY}"}, {"api-key": KEY}, {"x-api-key": KEY}])
async def test_a_key_is_taken_from_the_headers_clients_put_it_in(
    ingress: MemoryIngress, headers: dict[str, str]
) -> None:
    assert (await ask(ingress, "GET", "/v1/models", headers)).status == 200


async def test_only_the_callers_models_are_listed_and_shown(ingress: MemoryIngress) -> None:
    narrow = {"authorization": f"Bearer {NARROW_KEY}"}
    listed = orjson.loads((await ask(ingress, "GET", "/v1/models", narrow)).received)
    assert [model["id"] for model in listed["data"]] == ["gpt-4o-mini"]
    assert (await ask(ingress, "GET", "/v1/models/gpt-4o-mini", narrow)).status == 200
    hidden = await ask(ingress, "GET", "/v1/models/gpt-4o", narrow)
    unknown = await ask(ingress, "GET", "/v1/models/gpt-9", narrow)
    assert hidden.status == unknown.status == 404
    assert error_of(hidden)["code"] == error_of(unknown)["code"] == "model_not_found"


async def test_a_models_name_may_hold_slashes(ingress: MemoryIngress) -> None:
    assert orjson.loads((await ask(ingress, "GET", "/v1/models/org/model", AUTH)).received)["id"] == "org/model"


async def test_an_unknown_path_and_an_unknown_method_have_the_same_shape(ingress: MemoryIngress) -> None:
    path = await ask(ingress, "GET", "/v1/nothing", AUTH)
    method = await ask(ingress, "DELETE", "/v1/jobs", AUTH)
    assert (path.status, error_of(path)["code"]) == (404, "unknown_url")
    assert (method.status, error_of(method)["code"]) == (405, "method_not_allowed")
    assert method.answer_headers["allow"] == "GET, POST"


async def test_malformed_json_is_a_400(ingress: MemoryIngress) -> None:
    call = await ask(ingress, "POST", "/v1/chat/completions", AUTH, b'{"model":')
    assert (call.status, error_of(call)["type"]) == (400, "invalid_request_error")


async def test_an_unknown_model_is_a_404(ingress: MemoryIngress) -> None:
    call = await ask(ingress, "POST", "/v1/chat/completions", AUTH, chat_body(model="gpt-9"))
    assert (call.status, error_of(call)["code"]) == (404, "model_not_found")
    assert "`gpt-9`" in str(error_of(call)["message"])
    assert ingress.tokens.counted == 0


async def test_too_long_a_context_is_a_400_with_both_numbers(ingress: MemoryIngress) -> None:
    ingress.tokens.tokens = 9001
    call = await ask(ingress, "POST", "/v1/chat/completions", AUTH, chat_body())
    assert (call.status, error_of(call)["code"]) == (400, "context_length_exceeded")
    assert "8192" in str(error_of(call)["message"])
    assert "9001" in str(error_of(call)["message"])
    assert ingress.queue.jobs == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/jobs"])
async def test_a_body_over_the_limit_is_refused_before_it_is_read(ingress: MemoryIngress, path: str) -> None:
    call = await ask(ingress, "POST", path, AUTH | {"content-length": "1001"}, b"not even looked at")
    assert (call.status, error_of(call)["code"]) == (413, "request_too_large")
    assert call.answer_headers["connection"] == "close"


async def test_a_body_that_grows_over_the_limit_is_refused_while_it_is_read(ingress: MemoryIngress) -> None:
    async with Call(ingress.app, "POST", "/v1/chat/completions", AUTH, [b"x" * 400] * 100) as call:
        await call.ended()
    assert call.status == 413


async def test_a_body_of_exactly_the_limit_is_read(ingress: MemoryIngress) -> None:
    body = chat_body(user="")
    padded = body.replace(b'"user":""', b'"user":"' + b"x" * (500) + b'"')
    padded = padded[:-1] + b" " * (1000 - len(padded)) + b"}"
    call = await ask(ingress, "POST", "/v1/jobs", AUTH, padded)
    assert len(padded) == 1000
    assert call.status == 202


@pytest.mark.parametrize(
    "header",
    [
        {"x-sluice-lane": "fast"},
        {"x-sluice-deadline": "-1"},
        {"x-sluice-on-interrupt": "x"},
        {"x-sluice-deadline": "601"},
    ],
)
async def test_a_header_that_makes_no_sense_is_a_400(ingress: MemoryIngress, header: dict[str, str]) -> None:
    call = await ask(ingress, "POST", "/v1/jobs", AUTH | header, chat_body())
    assert call.status == 400
    assert ingress.queue.jobs == []


@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_has_a_status_a_type_and_a_code(reason: Reason) -> None:
    problem = of_refused(Refused(reason, "Because.", "model"))
    not_the_senders = reason in (Reason.OVERLOADED, Reason.NO_WORKERS)
    assert problem.status == 503 if not_the_senders else 400 <= problem.status < 500
    assert problem.type in (
        "invalid_request_error",
        "permission_error",
        "rate_limit_error",
        "insufficient_quota",
        "server_error",
    )
    assert problem.code == reason


@pytest.mark.parametrize(("seconds", "told"), [(0.001, "1"), (1, "1"), (61.2, "62")])
def test_when_a_refusal_may_be_over_is_told_in_whole_seconds(seconds: float, told: str) -> None:
    refused = Refused(Reason.OVERLOADED, "Because.", retry_after=timedelta(seconds=seconds))
    assert dict(of_refused(refused).headers) == {"retry-after": told}


async def test_every_answer_names_its_request_and_a_sane_id_of_the_client_is_kept(ingress: MemoryIngress) -> None:
    own = await ask(ingress, "GET", "/v1/models", AUTH | {"x-request-id": "abc-1:2"})
    forged = await ask(ingress, "GET", "/v1/models", AUTH | {"x-request-id": "a b\n"})
    unknown = await ask(ingress, "GET", "/nothing", {})
    assert own.answer_headers["x-request-id"] == "abc-1:2"
    assert forged.answer_headers["x-request-id"].startswith("req_")
    assert unknown.answer_headers["x-request-id"].startswith("req_")


async def test_a_defect_is_told_without_its_insides() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("the secret is 42")

    async with Call(Edge(broken, Instruments("test")), "GET", "/") as call:
        await call.ended()
    assert (call.status, error_of(call)["code"]) == (500, "internal_error")
    assert b"42" not in call.received


async def test_a_defect_of_a_route_has_the_shape_of_every_error(ingress: MemoryIngress) -> None:
    ingress.queue.failure = RuntimeError("the secret is 42")
    call = await ask(ingress, "POST", "/v1/jobs", AUTH, chat_body())
    assert (call.status, error_of(call)["code"]) == (500, "internal_error")
    assert call.answer_headers["x-request-id"]
    assert b"42" not in call.received


async def test_a_client_that_leaves_while_it_sends_is_no_defect(ingress: MemoryIngress) -> None:
    sent = False

    async def receive() -> dict[str, object]:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": b"{", "more_body": True}

    statuses: list[object] = []

    async def send(message: dict[str, object]) -> None:
        statuses.append(message.get("status"))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/jobs",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in AUTH.items()],
    }
    await ingress.app(scope, receive, send)  # type: ignore[arg-type]
    assert statuses[0] == 400


async def test_the_probes_tell_what_is_missing(ingress: MemoryIngress) -> None:
    assert (await ask(ingress, "GET", "/livez", {})).status == 200
    assert (await ask(ingress, "GET", "/readyz", {})).status == 200
    ingress.problems["kafka"] = "no broker answers"
    unready = await ask(ingress, "GET", "/readyz", {})
    assert unready.status == 503
    assert b"no broker answers" in unready.received
    measured = await ask(ingress, "GET", "/metrics", {})
    assert b'sluice_http_requests_total{method="GET",route="/readyz",status="503"} 1.0' in measured.received


async def test_paths_somebody_makes_up_do_not_fill_the_metrics(ingress: MemoryIngress) -> None:
    for number in range(5):
        await ask(ingress, "GET", f"/made/up/{number}", {})
    measured = (await ask(ingress, "GET", "/metrics", {})).received
    assert b'{method="any",route="other",status="404"} 5.0' in measured
    assert b"made" not in measured


async def test_the_document_tells_of_every_route_and_every_status(ingress: MemoryIngress) -> None:
    document = orjson.loads((await ask(ingress, "GET", "/openapi.json", {})).received)
    paths = document["paths"]
    assert {"401", "413", "503"} <= paths["/v1/chat/completions"]["post"]["responses"].keys()
    assert paths["/v1/jobs/{job_id}/events"]["get"]["responses"].keys() >= {"200", "204", "400", "404"}
    assert not [path for path, operations in paths.items() if "422" in operations.get("get", {}).get("responses", {})]
    for path, operations in paths.items():
        for operation in operations.values():
            assert bool(operation.get("security")) is path.startswith("/v1/")


@pytest.mark.parametrize("away", [False, True])
async def test_another_tenants_job_is_answered_like_none_also_while_the_archive_is_away(
    ingress: MemoryIngress, away: bool
) -> None:
    async with Call(ingress.app, "POST", "/v1/jobs", AUTH, chat_body()) as call:
        await call.ended()
    theirs, nobodys = orjson.loads(call.received)["id"], new_job_id()
    ingress.archive.away = away
    stranger = {"authorization": f"Bearer {OTHER_TENANTS_KEY}"}
    for method, path in (("GET", "/v1/jobs/{}"), ("GET", "/v1/jobs/{}/events"), ("POST", "/v1/jobs/{}/cancel")):
        answers = [await ask(ingress, method, path.format(job), stranger) for job in (theirs, nobodys)]
        assert [answer.status for answer in answers] == [503 if away else 404] * 2
        told = [
            answer.received.replace(job.encode(), b"") for answer, job in zip(answers, (theirs, nobodys), strict=True)
        ]
        assert told[0] == told[1]
