"""How is a request that is sent again recognised? By a key its sender gives it, and by what it asks for. Pure."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import orjson

from services.ingress.admission.refusal import Reason, Refused
from shared.contracts import JsonObject

__all__ = ["Repeat", "read_key", "repeat_of", "reused"]

_KEY: Final = re.compile(r"[\x20-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class Repeat:
    """Within a tenant, two requests with the same of these are one job."""

    key: str
    fingerprint: str
    """Of what is asked for. One key with two of these is a mistake of the sender's."""


def read_key(text: str) -> str | None:
    """The draft's form is a quoted string, most clients send it bare. None for what is no key."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text if _KEY.fullmatch(text) else None


def repeat_of(key: str, content: JsonObject) -> Repeat:
    """Neither spaces nor the order of fields make another request."""
    return Repeat(key, hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest())


def reused() -> Refused:
    return Refused(
        Reason.KEY_REUSED,
        "This idempotency key was used for another request. A retry keeps its key; a new request needs a new one.",
        "Idempotency-Key",
    )
