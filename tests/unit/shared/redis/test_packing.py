"""Commands packed in C are the same bytes as redis-py's own."""

from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from shared.redis.packing import packing

ARGUMENTS = st.lists(st.binary() | st.text(max_size=50) | st.integers() | st.floats(allow_nan=False), max_size=20)


def packed(connection_class: object, *command: object) -> bytes:
    assert isinstance(connection_class, type)
    return b"".join(connection_class().pack_command(*command))


@given(name=st.sampled_from(["GET", b"EVALSHA", "CLIENT SETINFO"]), arguments=ARGUMENTS)
def test_a_command_is_packed_as_redis_py_packs_it(name: str | bytes, arguments: list[object]) -> None:
    for connection_class in (Connection, SSLConnection):
        assert packed(packing(connection_class), name, *arguments) == packed(Connection, name, *arguments)


def test_a_connection_is_still_of_its_kind() -> None:
    packing_ssl = packing(SSLConnection)
    assert isinstance(packing_ssl, type)
    assert issubclass(packing_ssl, SSLConnection)


def test_an_unknown_kind_of_connection_is_left_alone() -> None:
    assert packing(UnixDomainSocketConnection) is UnixDomainSocketConnection
