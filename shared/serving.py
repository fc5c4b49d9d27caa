"""One ASGI application on one port, inside a loop of somebody else: uvicorn without its signal handlers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from uvicorn._types import ASGIApplication

from shared.errors import OperatorError

__all__ = ["listening_socket", "serving"]

_BACKLOG = 1024


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process (`shared.lifecycle`), not to one of its parts."""
        yield


def listening_socket(host: str, port: int) -> socket.socket:
    """Listening at once: a taken port is known before anything else starts, and early callers wait in the backlog.

    Port 0 takes any free one.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise OperatorError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


@asynccontextmanager
async def serving(app: ASGIApplication, *, host: str, port: int, grace_seconds: int = 10) -> AsyncIterator[int]:
    """Serve `app` as long as the block lasts; gives the port. On leaving, open answers get `grace_seconds` to end.

    The application's lifespan is not run: what it needs is wired outside, by whoever owns it.
    """
    listener = listening_socket(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=grace_seconds,
        )
    )
    running = asyncio.create_task(server.serve(sockets=[listener]), name=f"serve {host}:{port}")
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running
