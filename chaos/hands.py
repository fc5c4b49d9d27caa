"""Carries out the schedule: every fault at its time, its end some time later, and what came of it written down."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import structlog
from redis.exceptions import RedisError

from chaos.bench.processes import Process
from chaos.bench.stand import Stand
from chaos.facts import Strike
from chaos.schedule import Act, Fault

__all__ = ["Hands", "hands_on"]

log = structlog.get_logger("chaos")


@dataclass(slots=True)
class Hands:
    stand: Stand
    client: aiohttp.ClientSession
    tell: Callable[[str], None]
    strikes: list[Strike] = field(default_factory=list)
    """Those that are over; of a process that was started again, once it was ready."""

    async def play(self, schedule: Sequence[Fault]) -> None:
        """Returns when the last fault is over and everything but the spare worker runs again."""
        began = time.monotonic()

        async def at_its_time(fault: Fault) -> None:
            await asyncio.sleep(began + fault.at - time.monotonic())
            await self._strike(fault)

        async with asyncio.TaskGroup() as group:
            for fault in schedule:
                group.create_task(at_its_time(fault), name=str(fault))

    async def _strike(self, fault: Fault) -> None:
        self.tell(str(fault))
        began = time.time()
        note = await self._act(fault)
        self.strikes.append(Strike(fault, began, time.time(), note or ""))

    async def _act(self, fault: Fault) -> str | None:
        if fault.act.is_of_a_link:
            await self._on_link(fault)
            return None
        if fault.target in self.stand.processes:
            return await self._on_process(fault, self.stand.processes[fault.target])
        return await self._on_server(fault)

    async def _on_link(self, fault: Fault) -> None:
        link = self.stand.links[fault.target]
        link.strike(fault.act)
        await asyncio.sleep(fault.seconds)
        link.heal()

    async def _on_process(self, fault: Fault, process: Process) -> str | None:
        match fault.act:
            case Act.KILL:
                await process.kill()
                await asyncio.sleep(fault.seconds)
                return await self._up(process)
            case Act.ROLL:
                await process.stop()
                return await self._up(process)
            case Act.JOIN:
                return await self._up(process)
            case Act.LEAVE:
                await process.stop()
            case Act.FREEZE:
                process.freeze()
                await asyncio.sleep(fault.seconds)
                process.thaw()
            case _:
                raise ValueError(f"nobody does this to a process: {fault}")
        return None

    async def _up(self, process: Process) -> str | None:
        await process.start()
        return None if await process.ready(self.client) else "it did not get ready"

    async def _on_server(self, fault: Fault) -> str | None:
        servers = self.stand.servers
        match fault.act:
            case Act.KILL:
                await servers.kill(fault.target, fault.seconds)
            case Act.POWER_CUT:
                return await servers.valkey.power_cut(fault.seconds)
            case Act.FAILOVER:
                await servers.valkey.failover(fault.seconds)
            case Act.FLUSH:
                await _unless_away(servers.valkey.flush())
            case Act.DROP_CLIENTS:
                return await _unless_away(servers.valkey.drop_clients(fault.target))
            case _:
                raise ValueError(f"nobody does this to a server: {fault}")
        return None


async def _unless_away(act: Awaitable[None]) -> str | None:
    try:
        await act
    except (RedisError, OSError):
        return "nobody was there"
    return None


@asynccontextmanager
async def hands_on(stand: Stand, tell: Callable[[str], None]) -> AsyncIterator[Hands]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as client:
        yield Hands(stand, client, tell)
