"""Which ports the servers listen on: the ones asked for, else the ones they had last time, else free ones."""

import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from devstack.server import ServersUnavailable

HOST = "127.0.0.1"
# Below the range from which Linux (32768) and macOS (49152) take the local ports of outgoing connections: while a
# server is down for a restart, no connection of anybody's may come to sit on its port.
LOWEST, HIGHEST = 15_000, 32_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """None means: any free one."""

    kafka: int | None = None
    kafka_controller: int | None = None
    valkey: int | None = None
    postgres: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    kafka: int
    kafka_controller: int
    valkey: int
    postgres: int


def choose(asked: Ports, record: Path) -> Chosen:
    """Settle on ports and record them. A port that was asked for and is taken raises ServersUnavailable."""
    before = _recorded(record)
    taken = {port for port in asdict(asked).values() if port is not None}
    chosen: dict[str, int] = {}
    for name, port in asdict(asked).items():
        if port is not None and not is_free(port):
            raise ServersUnavailable(f"Port {port}, asked for {name}, is in use.")
        last = before.get(name)
        keep = last if last is not None and last not in taken and is_free(last) else None
        chosen[name] = port or keep or any_free(taken=frozenset(taken))
        taken.add(chosen[name])
    record.write_text(json.dumps(chosen) + "\n")
    return Chosen(**chosen)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a past server may linger
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def any_free(*, taken: frozenset[int] = frozenset()) -> int:
    for _ in range(1000):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if port not in taken and is_free(port):
            return port
    raise ServersUnavailable(f"No free port between {LOWEST} and {HIGHEST}.")


def _recorded(record: Path) -> Mapping[str, int]:
    try:
        return {str(name): int(port) for name, port in json.loads(record.read_text()).items()}
    except (FileNotFoundError, ValueError):  # none yet, or half written by a process that died
        return {}
