"""Which ports are still free for us? Each is given out once."""

from devstack.ports import any_free

__all__ = ["Ports"]


class Ports:
    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        port = any_free(taken=frozenset(self._taken))
        self._taken.add(port)
        return port
