"""How is a line of a log shown? Our services write JSON, which is told in words; a server's line stands as it is."""

import json
from typing import Final

from shared.contracts import JsonObject

__all__ = ["as_json", "as_sentence", "as_text"]

_TIME: Final = slice(len("2026-11-01T"), len("2026-11-01T08:30:00.123"))


def as_text(line: str) -> str:
    """Time, level, event, and the rest as `name=value`; a traceback on the lines below."""
    found = _record(line)
    if found is None:
        return line
    at, level, event = (str(found.pop(name, "") or "") for name in ("at", "level", "event"))
    found.pop("service", None)
    trace = found.pop("exception", None)
    rest = " ".join(f"{name}={_value(value)}" for name, value in found.items() if value is not None)
    text = f"{at[_TIME]} {level:<7} {event}  {rest}".rstrip()
    return f"{text}\n{trace}" if isinstance(trace, str) else text


def as_sentence(line: str) -> str:
    """What an event says in the middle of an error: itself, and what its traceback ends with."""
    found = _record(line)
    if found is None:
        return line
    trace = found.get("exception")
    why = trace.strip().splitlines()[-1:] if isinstance(trace, str) else []
    return ": ".join([str(found["event"]), *why])


def as_json(line: str, service: str) -> JsonObject:
    """The line's own fields, with the name under which the service runs here."""
    found = _record(line)
    return {"service": service, "line": line} if found is None else {**found, "service": service}


def _record(line: str) -> JsonObject | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def _value(value: object) -> str:
    """Quoted only where it would not be seen where it ends."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) and (" " in text or not text) else text
