"""What REDIS_URL may say, and that no error about it shows a password."""

import pytest

from shared.redis import Kind, parse_address


def test_a_plain_url_is_one_server() -> None:
    address = parse_address("redis://user:p%40ss@cache:7000/3?socket_timeout=1.5")
    assert address.kind is Kind.SERVER
    assert address.options == {
        "host": "cache",
        "port": 7000,
        "db": 3,
        "username": "user",
        "password": "p@ss",
        "socket_timeout": 1.5,
    }


def test_sentinels_are_named_with_the_service_they_watch_and_a_database() -> None:
    address = parse_address("redis+sentinel://user:secret@one,two:26380,[::1]:26381/main/2?sentinel_password=other")
    assert (address.kind, address.service, address.tls) == (Kind.SENTINEL, "main", False)
    assert address.hosts == (("one", 26379), ("two", 26380), ("::1", 26381))
    assert address.options == {"username": "user", "password": "secret", "db": 2}
    assert address.sentinel_options == {"password": "other"}


def test_members_of_a_cluster_have_the_servers_port_unless_told() -> None:
    address = parse_address("redis+cluster://:secret@one,two:7001")
    assert (address.kind, address.hosts) == (Kind.CLUSTER, (("one", 6379), ("two", 7001)))
    assert address.options == {"password": "secret"}


@pytest.mark.parametrize("scheme", ["rediss+cluster://one", "rediss+sentinel://one/main"])
def test_with_two_s_everything_speaks_tls(scheme: str) -> None:
    address = parse_address(f"{scheme}?ssl_ca_certs=/etc/ca.pem")
    assert address.tls
    assert address.options == {"ssl_ca_certs": "/etc/ca.pem"}


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://:hunter2@one",
        "redis+sentinel://:hunter2@one/main/x",
        "redis+cluster://:hunter2@one/main",
        "redis+cluster://:hunter2@one/1",
        "redis+cluster://:hunter2@one:port",
        "redis+cluster://:hunter2@one:99999",
        "redis://:hunter2@one:port",
        "redis://:hunter2/slash@one",
        "http://:hunter2@one",
        "hunter2",
    ],
)
def test_what_cannot_be_read_is_told_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected|database") as told:
        parse_address(url)
    assert "hunter2" not in str(told.value)
    assert told.value.__cause__ is None
