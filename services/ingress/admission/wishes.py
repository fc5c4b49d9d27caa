"""What a caller asks of Sluice by headers: `x-sluice-lane` over HTTP is `sluice-lane` on a record of a submit topic."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from services.ingress.admission.refusal import Reason, Refused
from services.ingress.admission.repeats import read_key
from services.ingress.admission.request import Departure, Wishes
from shared.contracts import Interruption, Lane

__all__ = ["read_wishes"]

_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")
_LABEL = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,64})=(?P<value>[A-Za-z0-9._:/@+-]{1,128})")
_MOST_LABELS = 16
_FEATURE = re.compile(r"[\x20-\x7e]{1,128}")

Word = TypeVar("Word", bound=StrEnum)


def read_wishes(header: Callable[[str], str | None], prefix: str, *, key_header: str) -> Wishes | Refused:
    """`header` gives a header's text by its lower-case name; `key_header` holds the idempotency key."""
    try:
        return Wishes(
            lane=_word(Lane, f"{prefix}lane", header),
            deadline=_duration(f"{prefix}deadline", header),
            not_before=_moment(f"{prefix}not-before", header),
            on_interrupt=_word(Interruption, f"{prefix}on-interrupt", header),
            on_disconnect=_word(Departure, f"{prefix}on-disconnect", header),
            feature=_feature(f"{prefix}feature", header),
            labels=_labels(f"{prefix}route", header),
            key=_key(key_header, header),
        )
    except _BadHeaderError as bad:
        return Refused(Reason.INVALID_VALUE, f"Invalid header '{bad.name}': expected {bad.expected}.", bad.name)


class _BadHeaderError(Exception):
    def __init__(self, name: str, expected: str) -> None:
        super().__init__(name)
        self.name = name
        self.expected = expected


def _word(words: type[Word], name: str, header: Callable[[str], str | None]) -> Word | None:
    text = header(name)
    if text is None:
        return None
    try:
        return words(text.strip().lower())
    except ValueError:
        raise _BadHeaderError(name, f"one of {', '.join(words)}") from None


def _duration(name: str, header: Callable[[str], str | None]) -> timedelta | None:
    text = header(name)
    if text is None:
        return None
    if not _SECONDS.fullmatch(text.strip()) or float(text) <= 0:
        raise _BadHeaderError(name, "a positive number of seconds")
    return timedelta(seconds=float(text))


def _moment(name: str, header: Callable[[str], str | None]) -> datetime | None:
    text = header(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _BadHeaderError(name, "a moment with its time zone, such as 2026-11-21T06:00:00Z")
    return moment


def _key(name: str, header: Callable[[str], str | None]) -> str | None:
    text = header(name)
    if text is None:
        return None
    key = read_key(text)
    if key is None:
        raise _BadHeaderError(name, "1 to 512 printable ASCII characters")
    return key


def _labels(name: str, header: Callable[[str], str | None]) -> dict[str, str] | None:
    text = header(name)
    if text is None:
        return None
    labels = [_LABEL.fullmatch(item.strip()) for item in text.split(",")]
    found = {label["name"]: label["value"] for label in labels if label}
    if len(found) != len(labels) or len(found) > _MOST_LABELS:
        raise _BadHeaderError(name, f"at most {_MOST_LABELS} pairs such as `region=eu, tier=gold`, each name once")
    return found


def _feature(name: str, header: Callable[[str], str | None]) -> str | None:
    text = header(name)
    if text is None:
        return None
    if not _FEATURE.fullmatch(text):
        raise _BadHeaderError(name, "at most 128 printable ASCII characters")
    return text.strip() or None
