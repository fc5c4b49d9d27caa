"""How are letters shown? In a table, or one with all that is known of it; and both as JSON."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime

from cli.instants import ago
from cli.letters.open_letters import Entry
from cli.letters.original import Original
from cli.printing import aligned, print_table, say
from shared.contracts import JsonObject

__all__ = ["entry_told", "record_told", "show_record", "show_table"]

_MESSAGE_CELLS = 72


def show_table(entries: Sequence[Entry], now: datetime) -> None:
    rows = [
        (
            entry.id,
            entry.reason.value,
            entry.tenant or "-",
            str(entry.times),
            str(entry.replays),
            ago(entry.failed_at, now),
            _short(entry.message),
        )
        for entry in entries
    ]
    headings = ("ID", "REASON", "TENANT", "COUNT", "REPLAYS", "SET ASIDE", "WHY")
    print_table(headings, rows, right=("COUNT", "REPLAYS", "SET ASIDE"))


def entry_told(entry: Entry) -> JsonObject:
    return {
        "id": entry.id,
        "topic": entry.topic,
        "reason": entry.reason.value,
        "code": entry.code,
        "message": entry.message,
        "tenant": entry.tenant,
        "service": entry.service,
        "failed_at": entry.failed_at.isoformat(),
        "bytes": entry.size,
        "count": entry.times,
        "replays": entry.replays,
    }


def show_record(entry: Entry, record: Original, now: datetime) -> None:
    facts = [
        ("id", entry.id),
        ("set aside", f"{entry.failed_at:%Y-%m-%d %H:%M:%S}Z, {ago(entry.failed_at, now)}, by {entry.service}"),
        ("reason", entry.reason.value if entry.code is None else f"{entry.reason.value} ({entry.code})"),
        ("why", _plain(entry.message)),
        ("tenant", entry.tenant or "-"),
        ("count", str(entry.times)),
        ("replays", str(entry.replays)),
        ("key", _text(record.key) if record.key is not None else "-"),
        *((f"header {name}", _text(value)) for name, value in record.headers),
    ]
    for line in aligned(facts):
        say(line)
    say(f"\n{_pretty(record.value)}")


def record_told(entry: Entry, record: Original) -> JsonObject:
    """Bytes that are no text are in base64, under another name."""
    told = entry_told(entry) | {"headers": {name: _text(value) for name, value in record.headers}}
    for name, value in (("key", record.key), ("value", record.value)):
        if value is None:
            told[name] = None
            continue
        try:
            told[name] = value.decode()
        except UnicodeDecodeError:
            told[f"{name}_base64"] = base64.b64encode(value).decode()
    return told


def _short(text: str) -> str:
    line = _plain(" ".join(text.split()))
    return line if len(line) <= _MESSAGE_CELLS else line[: _MESSAGE_CELLS - 1] + "…"


def _pretty(value: bytes) -> str:
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except ValueError:
        return _text(value)


def _text(value: bytes) -> str:
    return _plain(value.decode(errors="backslashreplace"))


def _plain(text: str) -> str:
    """What would steer a terminal is escaped."""
    return "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text)
