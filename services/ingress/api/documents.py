"""What the OpenAPI document says of each route beyond what its code shows: bodies, headers, every status."""

from typing import Any, Final

from starlette.responses import Response

from services.ingress.admission.chat_body import ChatBody
from services.ingress.admission.embeddings_body import EmbeddingsBody
from services.ingress.api.parameters import CHAT_HEADERS, JOB_HEADERS, LAST_EVENT_ID, described
from services.ingress.api.schemas import ErrorBody, HealthObject, JobList, JobObject, LineAnswer, ModelList, ModelObject
from shared.contracts import Endpoint
from shared.job_log import EventType

__all__ = [
    "CANCEL_JOB",
    "CHAT",
    "CREATE_JOBS",
    "EMBEDDINGS",
    "EVENTS",
    "GET_JOB",
    "HEALTH",
    "LIST_JOBS",
    "LIST_MODELS",
    "MODEL",
    "SECURITY",
]

SECURITY: Final[dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key of Sluice: `slk_<id>_<secret>`."},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key", "description": "The same key."},
}

_ERRORS: Final = {
    400: "The request is malformed: bad JSON, a bad field, a bad header, or more input than the model takes.",
    401: "No API key, or a wrong one.",
    403: "The key may not do this.",
    404: "No such model or job, as far as this key can see.",
    405: "The path exists, the method does not.",
    409: "The job was cancelled before it was answered.",
    410: "It was answered before, and the answer is no longer kept.",
    413: "The body is larger than allowed.",
    422: "The provider cannot work on the request, or its `Idempotency-Key` was used for another.",
    429: "Above a limit, or so much of your own waits that the job would expire, or the provider's limit was hit.",
    500: "A fault of the server.",
    502: "No provider could answer.",
    503: "A server this one needs is away, or so much waits that the job would expire. Try again later.",
    504: "The deadline passed first.",
}

_ANSWER_HEADERS: Final = {
    401: {"WWW-Authenticate": "`Bearer`."},
    405: {"Allow": "The methods the path has."},
    429: {
        "Retry-After": "In so many seconds it may work, where that is known.",
        "retry-after-ms": "The same in milliseconds, of a limit.",
        "x-ratelimit-remaining-requests": "Of `x-ratelimit-limit-requests` a minute, where there is such a limit.",
        "x-ratelimit-remaining-tokens": "The same of tokens.",
    },
    503: {"Retry-After": "In so many seconds it may work."},
}

_JSON: Final = "application/json"
_JSONL: Final = "application/jsonl"
_NDJSON: Final = "application/x-ndjson"
_SSE: Final = "text/event-stream"


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": ErrorBody, "description": _ERRORS[status]}
        | ({"headers": _texts(_ANSWER_HEADERS[status])} if status in _ANSWER_HEADERS else {})
        for status in statuses
    }


def _texts(headers: dict[str, str]) -> dict[str, Any]:
    return {name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in headers.items()}


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": content}


_CHAT_TEXT: Final = """As OpenAI defines it, streamed or not. Unknown fields reach the provider as they are.

The header `x-sluice-job-id` of the answer names the job behind it. A stream sends `: ping` comments while it waits; an
error after its beginning is one `data: {"error": …}` without a `[DONE]`.
"""

_EMBEDDINGS_TEXT: Final = """As OpenAI defines it. Unknown fields reach the provider as they are."""

_CREATE_TEXT: Final = """One job: the body of a chat completion or of a request for embeddings, or an OpenAI batch
line around it.

Many jobs: `application/jsonl`, one of either a line. The answer has a line for each, in the same order, with an id or
an error. A single job goes to the lane `interactive` and streams unless it says `stream: false`; the lines of JSONL go
to `batch` and stream only if they say `stream: true`.
"""

_EVENTS_TEXT: Final = """Server-sent events: `accepted`, `started`, `progress`, `delta` (a `chat.completion.chunk`),
`restart` (the deltas so far are void), at last one of `done`, `error`, `cancelled`, `expired` with the whole result.

Each has an `id`; send the last one you have seen as `Last-Event-ID` or `?after=` to go on behind it, at any replica.
When the log has expired, the end alone is told, from the stored result.
"""

_CHAT_SCHEMA: Final = ChatBody.model_json_schema()
_EMBEDDINGS_SCHEMA: Final = EmbeddingsBody.model_json_schema()
_LINE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An OpenAI batch line.",
    "required": ["body"],
    "properties": {
        "custom_id": {"type": ["string", "null"]},
        "method": {"const": "POST"},
        "url": {"enum": [*(str(each) for each in Endpoint), None]},
        "body": {"anyOf": [_CHAT_SCHEMA, _EMBEDDINGS_SCHEMA]},
    },
}
_CHUNK_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Each event. Its data is a `chat.completion.chunk` or an error, the last one's `[DONE]`.",
    "required": ["data"],
    "properties": {"data": {"type": "string"}},
}
_EVENT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Each event. Its data is JSON.",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": [str(event) for event in EventType]},
        "data": {"type": "string"},
    },
}
_JOB_HEADERS: Final = {
    "x-sluice-job-id": "The job behind the answer.",
    "idempotent-replayed": "`true` when the job stood already.",
}
_ACCEPTED_HEADERS: Final = _texts({"Location": "The job."} | _JOB_HEADERS)

CHAT: Final[dict[str, Any]] = {
    "operation_id": "createChatCompletion",
    "tags": ["OpenAI"],
    "summary": "Create a chat completion",
    "description": _CHAT_TEXT,
    "responses": {
        200: {
            "description": "The completion; with `stream: true` its chunks.",
            "headers": _texts(_JOB_HEADERS),
            "content": {_JSON: {"schema": {"type": "object"}}, _SSE: {"schema": _CHUNK_SCHEMA}},
        },
        202: {"model": JobObject, "description": "Accepted, as preferred.", "headers": _ACCEPTED_HEADERS},
        **_errors(400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 502, 503, 504),
    },
    "openapi_extra": {
        "requestBody": _body({_JSON: {"schema": _CHAT_SCHEMA}}),
        "parameters": described(CHAT_HEADERS),
    },
}

EMBEDDINGS: Final[dict[str, Any]] = {
    "operation_id": "createEmbeddings",
    "tags": ["OpenAI"],
    "summary": "Create embeddings",
    "description": _EMBEDDINGS_TEXT,
    "responses": {
        200: {
            "description": "The embeddings, in the order of the inputs.",
            "headers": _texts(_JOB_HEADERS),
            "content": {_JSON: {"schema": {"type": "object"}}},
        },
        202: {"model": JobObject, "description": "Accepted, as preferred.", "headers": _ACCEPTED_HEADERS},
        **_errors(400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 502, 503, 504),
    },
    "openapi_extra": {
        "requestBody": _body({_JSON: {"schema": _EMBEDDINGS_SCHEMA}}),
        "parameters": described(CHAT_HEADERS),
    },
}

LIST_MODELS: Final[dict[str, Any]] = {
    "operation_id": "listModels",
    "tags": ["OpenAI"],
    "summary": "List the models this key may ask for",
    "responses": {200: {"model": ModelList}, **_errors(401, 405, 500)},
}

HEALTH: Final[dict[str, Any]] = {
    "operation_id": "health",
    "tags": ["Operation"],
    "summary": "Whether the models this key may ask for can be served now",
    "responses": {200: {"model": HealthObject}, **_errors(401, 405, 500)},
}

MODEL: Final[dict[str, Any]] = {
    "operation_id": "retrieveModel",
    "tags": ["OpenAI"],
    "summary": "Retrieve a model",
    "responses": {200: {"model": ModelObject}, **_errors(401, 404, 405, 500)},
}

CREATE_JOBS: Final[dict[str, Any]] = {
    "operation_id": "createJobs",
    "tags": ["Jobs"],
    "summary": "Submit a job, or many",
    "status_code": 202,
    "description": _CREATE_TEXT,
    "responses": {
        202: {
            "description": "Accepted: it will end, whatever happens.",
            "headers": _ACCEPTED_HEADERS,
            "model": JobObject,
            "content": {_JSONL: {"schema": LineAnswer.model_json_schema()}},
        },
        **_errors(400, 401, 403, 404, 405, 413, 422, 429, 500, 503),
    },
    "openapi_extra": {
        "requestBody": _body(
            {
                _JSON: {"schema": {"anyOf": [_CHAT_SCHEMA, _EMBEDDINGS_SCHEMA, _LINE_SCHEMA]}},
                _JSONL: {"schema": {"type": "string"}},
                _NDJSON: {"schema": {"type": "string"}},
            }
        ),
        "parameters": described(JOB_HEADERS),
    },
}

GET_JOB: Final[dict[str, Any]] = {
    "operation_id": "getJob",
    "tags": ["Jobs"],
    "summary": "Where a job is and what became of it",
    "responses": {200: {"model": JobObject}, **_errors(401, 404, 405, 500, 503)},
}

LIST_JOBS: Final[dict[str, Any]] = {
    "operation_id": "listJobs",
    "tags": ["Jobs"],
    "summary": "The tenant's jobs, newest first",
    "description": "From the archive, which learns of a job within seconds. Without the responses.",
    "responses": {200: {"model": JobList}, **_errors(400, 401, 405, 500, 503)},
}

CANCEL_JOB: Final[dict[str, Any]] = {
    "operation_id": "cancelJob",
    "tags": ["Jobs"],
    "summary": "Cancel a job",
    "description": "May be repeated. A job that has ended stays as it is; one that runs ends within moments.",
    "responses": {200: {"model": JobObject}, **_errors(401, 404, 405, 500, 503)},
}

EVENTS: Final[dict[str, Any]] = {
    "operation_id": "followJob",
    "tags": ["Jobs"],
    "summary": "Follow a job's events",
    "description": _EVENTS_TEXT,
    "response_class": Response,
    "responses": {
        200: {"description": "The events.", "content": {_SSE: {"schema": _EVENT_SCHEMA}}},
        204: {"description": "The job has ended and there is nothing behind the cursor: do not come again."},
        **_errors(400, 401, 404, 405, 500, 503),
    },
    "openapi_extra": {"parameters": described(LAST_EVENT_ID)},
}
