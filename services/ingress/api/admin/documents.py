"""What the OpenAPI document of the admin API says of each route beyond what its code shows."""

from typing import Any, Final

from services.ingress.api.schemas import ErrorBody

__all__ = ["SECURITY", "acts", "changes", "creates", "lists", "removes", "sets", "shows"]

SECURITY: Final[dict[str, Any]] = {
    "administrator": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of the admin API: `sla_<name>_<secret>`.",
    },
}

_ERRORS: Final = {
    400: "The request is malformed: bad JSON, a bad field, a name that is not there.",
    401: "No admin key, or a wrong one.",
    404: "No such tenant, team, key or budget.",
    405: "The path exists, the method does not.",
    409: "The name is taken, the key is revoked, or sluice.yaml says it.",
    413: "The body is larger than 64 kB.",
    500: "A fault of the server.",
    503: "The database is away. Try again later.",
}
_HEADERS: Final = {
    401: {"WWW-Authenticate": "`Bearer`."},
    405: {"Allow": "The methods the path has."},
    503: {"Retry-After": "In so many seconds it may work."},
}


def lists(things: str) -> dict[str, Any]:
    return _route(f"list{things}", f"List {things.lower()}", 400, *((404,) if things in ("Teams", "Budgets") else ()))


def creates(thing: str) -> dict[str, Any]:
    statuses = (400, 404, 409, 413) if thing == "Team" else (400, 409, 413)
    return _route(f"create{thing}", f"Create a {thing.lower()}", *statuses) | {"status_code": 201}


def shows(thing: str) -> dict[str, Any]:
    return _route(f"get{thing}", f"Show a {thing.lower()}", 400, 404)


def changes(thing: str) -> dict[str, Any]:
    return _route(f"change{thing}", f"Change a {thing.lower()}", 400, 404, 413)


def sets(thing: str) -> dict[str, Any]:
    return _route(f"set{thing}", f"Set a {thing.lower()}, new or not", 400, 404, 409, 413)


def removes(thing: str) -> dict[str, Any]:
    return _route(f"remove{thing}", f"Remove a {thing.lower()}", 400, 404, 409) | {"status_code": 204}


def acts(operation: str, summary: str) -> dict[str, Any]:
    return _route(operation, summary, 400, 404, 409, 413)


def _route(operation: str, summary: str, *statuses: int) -> dict[str, Any]:
    answers = {
        status: {"model": ErrorBody, "description": _ERRORS[status]}
        | ({"headers": _texts(_HEADERS[status])} if status in _HEADERS else {})
        for status in sorted({*statuses, 401, 405, 500, 503})
    }
    return {"operation_id": operation, "tags": ["Administration"], "summary": summary, "responses": answers}


def _texts(headers: dict[str, str]) -> dict[str, Any]:
    return {name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in headers.items()}
