"""Which ports do the services listen on? The ones they had last time, else free ones; a wish is a wish."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from devstack.ports import any_free, is_free
from shared.errors import OperatorError

__all__ = ["GATEWAY", "demand", "settle"]

GATEWAY: Final = 8080
"""Where the gateway is when nobody says otherwise."""


def demand(port: int, *, option: str) -> int:
    """The port, if it is free; else an error that says what to do."""
    if not is_free(port):
        raise OperatorError(f"Port {port} is in use: end what listens there, or choose another with {option}.")
    return port


def settle(names: Iterable[str], record: Path) -> Mapping[str, int]:
    """A port for each name, recorded for the next time. Raises ServersUnavailable when none is free."""
    before = _recorded(record)
    chosen: dict[str, int] = {}
    for name in names:
        last = before.get(name)
        if last is None or last in chosen.values() or not is_free(last):
            last = any_free(taken=frozenset(chosen.values()))
        chosen[name] = last
    record.write_text(json.dumps({**before, **chosen}) + "\n")
    return chosen


def _recorded(record: Path) -> Mapping[str, int]:
    if not record.exists():
        return {}
    return {str(name): int(port) for name, port in json.loads(record.read_text()).items()}
