"""A simulator that listens: wires configuration, provider, served log and server, and closes them in reverse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.clock import utc_now
from simulator.config import Config
from simulator.control import CONTROL_PREFIX, Control
from simulator.exchange import Request
from simulator.provider import Instant, Performance, Provider
from simulator.response import replied
from simulator.script import Script
from simulator.served import How, Served, ServedLog, Totals
from simulator.server.connection import Connection
from simulator.server.pace import Pace

__all__ = ["Simulator", "running_simulator"]

_BACKLOG = 2048


class Simulator:
    """A running simulator, for those in the same process."""

    def __init__(self, config: Config, served: ServedLog, pace: Pace) -> None:
        self.pace = pace
        self.max_body_bytes = config.max_body_bytes
        self.connections: set[Connection] = set()
        self.url = ""
        """`http://host:port`, without `/v1`."""
        self._served = served
        self._provider = Provider(config, served)
        self._control = Control(self._provider, served)

    def served(self, after: int = 0) -> list[Served]:
        """The calls that have ended, in that order."""
        return self._served.after(after)

    def totals(self) -> Totals:
        return self._served.totals()

    def request(self, client_request_id: str) -> Request | None:
        """What the simulator received under that `x-client-request-id`."""
        return self._served.request(client_request_id)

    def put_script(self, model: str, script: Script) -> None:
        self._provider.put_script(model, script)

    def reset(self) -> None:
        self._provider.reset()
        self._served.reset()

    def unix_now(self) -> float:
        return utc_now().timestamp()

    def perform(self, request: Request) -> Performance:
        if request.path.startswith(CONTROL_PREFIX):
            return Performance(replied(self._control.answer(request)))
        return self._provider.receive(request, Instant(self.pace.now(), self.unix_now()))

    def finish(self, performance: Performance, how: How) -> None:
        self._provider.finish(performance, how, Instant(self.pace.now(), self.unix_now()))


@asynccontextmanager
async def running_simulator(
    config: Config, *, host: str = "127.0.0.1", port: int = 0, log: Path | None = None
) -> AsyncIterator[Simulator]:
    """Listens until the block is left. Calls still under way then are cut and recorded as `stopped`."""
    loop = asyncio.get_running_loop()
    served = ServedLog(keep=config.keep_records, keep_requests=config.keep_requests, file=log)
    pace = Pace(loop)
    simulator = Simulator(config, served, pace)
    try:
        server = await loop.create_server(lambda: Connection(simulator), host, port, backlog=_BACKLOG)
        simulator.url = f"http://{host}:{server.sockets[0].getsockname()[1]}"
        try:
            yield simulator
        finally:
            server.close()
            for connection in tuple(simulator.connections):
                connection.stop()
            await server.wait_closed()
    finally:
        pace.close()
        served.close()
