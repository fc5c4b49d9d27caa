"""What does an error of Bedrock mean? docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes."""

import re
from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import JsonValue

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.refusals import fields_of, kind_of_status, refusal, retry_after, text_in
from shared.contracts import JsonObject

__all__ = ["failure_in_body", "failure_of"]

_BY_TYPE: Final[Mapping[str, FailureKind]] = {
    "accessdenied": FailureKind.PERMISSION,
    "expiredtoken": FailureKind.AUTH,
    "incompletesignature": FailureKind.AUTH,
    "internalfailure": FailureKind.SERVER_ERROR,
    "internalserver": FailureKind.SERVER_ERROR,
    "invalidclienttokenid": FailureKind.AUTH,
    "invalidsignature": FailureKind.AUTH,
    "missingauthenticationtoken": FailureKind.AUTH,
    "modelerror": FailureKind.SERVER_ERROR,
    "modelnotready": FailureKind.OVERLOADED,
    "modelstreamerror": FailureKind.IN_STREAM_ERROR,
    "modeltimeout": FailureKind.REQUEST_TIMEOUT,
    "optinrequired": FailureKind.PERMISSION,
    "resourcenotfound": FailureKind.MODEL_NOT_FOUND,
    "servicequotaexceeded": FailureKind.RATE_LIMITED,
    "serviceunavailable": FailureKind.OVERLOADED,
    "throttling": FailureKind.RATE_LIMITED,
    "unrecognizedclient": FailureKind.AUTH,
}
"""Without `Exception` behind it, and in small letters: a stream begins the names with one."""

_NO_MODEL: Final = re.compile(r"model identifier is invalid", re.IGNORECASE)
"""Comes as a request that is not valid."""


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    error = _error_in(body)
    # `ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/`
    named = headers.get("x-amzn-errortype", "").partition(":")[0] or _type_in(error)
    kind = _kind(named, error, kind_of_status(status))
    return refusal(kind, _worded(error), status=status, wait=retry_after(headers), type=named or None)


def failure_in_body(error: JsonValue) -> Failure:
    """For what breaks a stream off."""
    fields = fields_of(error)
    named = _type_in(fields)
    return refusal(_kind(named, fields, None), _worded(fields), type=named or None)


def _kind(named: str, error: JsonObject, by_status: FailureKind | None) -> FailureKind:
    name = named.lower().removesuffix("exception")
    if name == "validation":
        if _NO_MODEL.search(text_in(_worded(error), "message") or ""):
            return FailureKind.MODEL_NOT_FOUND
        return by_status or FailureKind.BAD_REQUEST
    return _BY_TYPE.get(name) or by_status or FailureKind.IN_STREAM_ERROR


def _type_in(error: JsonObject) -> str:
    """`com.amazon.coral.service#UnrecognizedClientException`, with or without what stands before it."""
    return (text_in(error, "__type") or text_in(error, "code") or "").rpartition("#")[2]


def _worded(error: JsonObject) -> JsonObject:
    """Some parts of AWS write it with a capital."""
    return error if "message" in error else {**error, "message": error.get("Message")}


def _error_in(body: bytes) -> JsonObject:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
