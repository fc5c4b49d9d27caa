"""What does REDIS_URL say: one server, the primary that Sentinels name, or a Cluster? Pure.

    redis://[user:password@]host[:port][/number][?options]
    redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/number][?options]
    redis+cluster://[user:password@]host[:port][,host[:port]…][?options]

With `rediss` for `redis` all of them speak TLS, to the Sentinels too. The options are redis-py's, such as
`ssl_ca_certs=/etc/ca.pem`; `sentinel_username` and `sentinel_password` are for the Sentinels themselves.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from redis.asyncio.connection import parse_url

__all__ = ["Kind", "RedisAddress", "parse_address"]

_SENTINEL_PORT: Final = 26379
_SERVER_PORT: Final = 6379

_MANY: Final = re.compile(
    r"(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://"
    r"(?P<user>[^@/?#]*@)?(?P<hosts>[^@/?#]+)(?P<path>[^?#]*)(?P<query>\?[^#]*)?",
    re.IGNORECASE,
)
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+)(?::(?P<port>\d{1,5}))?")


class Kind(StrEnum):
    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    kind: Kind
    options: Mapping[str, object]
    """What a connection to a data server is made with, the credentials among them."""
    hosts: tuple[tuple[str, int], ...] = ()
    """The Sentinels, or some members of the Cluster; empty for one server."""
    service: str = ""
    """How the Sentinels call the primary."""
    tls: bool = False
    sentinel_options: Mapping[str, object] | None = None


def parse_address(url: str) -> RedisAddress:
    """Raises ValueError, whose text shows nothing of the URL: it may hold a password."""
    if (found := _MANY.fullmatch(url)) is None:
        return RedisAddress(Kind.SERVER, _options(url))
    kind = Kind(found["kind"].lower())
    *service, number = _path(kind, found["path"])
    scheme = found["scheme"].lower()
    options = _options(f"{scheme}://{found['user'] or ''}unused{number}{found['query'] or ''}")
    del options["host"]
    tls = options.pop("connection_class", None) is not None
    sentinel = {
        name: options.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in options
    }
    if kind is Kind.CLUSTER and options.get("db"):
        raise ValueError("a cluster has no database but number 0")
    return RedisAddress(
        kind=kind,
        options=options,
        hosts=tuple(_host(text, _SENTINEL_PORT if service else _SERVER_PORT) for text in found["hosts"].split(",")),
        service="".join(service),
        tls=tls,
        sentinel_options=sentinel if service else None,
    )


def _path(kind: Kind, path: str) -> tuple[str, ...]:
    """The service, where there is one, and the database's number with its slash."""
    parts = [part for part in path.split("/") if part]
    if kind is Kind.CLUSTER:
        if len(parts) > 1 or not all(part.isdigit() for part in parts):
            raise ValueError("expected nothing behind the hosts of a cluster")
        return ("".join(f"/{part}" for part in parts),)
    match parts:
        case [service]:
            return unquote(service), ""
        case [service, number] if number.isdigit():
            return unquote(service), f"/{number}"
        case _:
            raise ValueError("expected the hosts of the Sentinels, a slash and the name of the service they watch")


def _host(text: str, default_port: int) -> tuple[str, int]:
    if (found := _HOST.fullmatch(text)) is None or int(found["port"] or 1) not in range(1, 65_536):
        raise ValueError("expected host[:port], and commas between several")
    return found["name"].strip("[]"), int(found["port"] or default_port)


def _options(url: str) -> dict[str, object]:
    try:
        return dict(parse_url(url))
    except ValueError:
        # The library's text may quote a part of the URL.
        raise ValueError("expected redis://, rediss://, redis+sentinel:// or redis+cluster://host[:port]") from None
