"""Is this JSON, and can everybody who gets it later read it too? Strict RFC 8259, and nested only so deep."""

from collections.abc import Iterable

import orjson

from services.ingress.admission.refusal import Reason, Refused
from shared.contracts import JsonObject

__all__ = ["read_object"]

_DEEPEST = 100
"""pydantic's reader, with which the workers read jobs, stops at 200."""


def read_object(raw: bytes) -> JsonObject | Refused:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Refused(Reason.MALFORMED_JSON, f"We could not parse this as JSON: {_plain(error)}.{_hint(error)}")
    if not isinstance(value, dict):
        return Refused(Reason.MALFORMED_JSON, f"Expected a JSON object, but got {_name(value)} instead.")
    if raw.count(b"[") + raw.count(b"{") > _DEEPEST and _depth(value) > _DEEPEST:
        return Refused(Reason.INVALID_VALUE, f"The JSON is nested deeper than {_DEEPEST} levels.")
    return value


def _depth(value: object) -> int:
    """How many objects and arrays lie in each other; level by level, for recursion is what this protects from."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [child for parent in level for child in _children(parent) if isinstance(child, dict | list)]
    return depth


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _plain(error: orjson.JSONDecodeError) -> str:
    """Without the excerpt some messages end in: it may be anything."""
    return f"{error.msg} (line {error.lineno}, column {error.colno})"


def _hint(error: orjson.JSONDecodeError) -> str:
    if "content after document" not in error.msg:
        return ""
    return " Many requests, one a line, go to /v1/jobs with Content-Type: application/jsonl."


def _name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"
