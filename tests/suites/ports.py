"""Ports for processes that are still to be born: nobody else is given one until they listen at it."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["held_ports"]


@contextmanager
def held_ports() -> Iterator[Callable[[], int]]:
    """Each call gives another port, held until the block ends by a socket that does not listen.

    A server may listen there all the same: as all do, it lets its address be used again.
    """
    with ExitStack() as held:

        def port() -> int:
            with ExitStack() as probing:
                probe = probing.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", 0))
                if sys.platform == "linux":  # elsewhere it would keep the server away, too
                    held.enter_context(probing.pop_all())
                return int(probe.getsockname()[1])

        yield port
