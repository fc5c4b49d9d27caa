"""What accounting says of itself: what is missing by name, and when a restart would help."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaConnectionError, KafkaError

from services.accounting.health import Health, Line
from services.accounting.ports import AwayError
from shared.groups import Suspicion
from shared.lifecycle import Startup
from shared.telemetry import Instruments
from tests.suites.fleet import until


@dataclass
class Servers:
    """Kafka's admin client and a ping of PostgreSQL."""

    members: list[str] = field(default_factory=lambda: ["me"])
    kafka: KafkaError | None = None
    postgres: Exception | None = None
    rounds: int = 0

    async def describe_consumer_groups(self, groups: list[str]) -> list[Any]:
        if self.kafka:
            raise self.kafka
        described = {"error_code": 0, "members": [{"member_id": member} for member in self.members]}
        return [SimpleNamespace(to_object=lambda: {"groups": [described]})]

    async def ping(self) -> None:
        self.rounds += 1
        if self.postgres:
            raise self.postgres


@dataclass
class Intake:
    group: str = "accounting.usage"
    member_id: str = "me"
    busy_seconds: float = 0.0

    async def behind(self) -> int:
        return 0


@asynccontextmanager
async def watching(
    servers: Servers, intake: Intake, missing: str | None = None, instruments: Instruments | None = None
) -> AsyncIterator[Health]:
    health = Health(Startup(asyncio.Event()), instruments or Instruments("tests"), round_seconds=0.005)
    line: Any = Line("usage", intake, SimpleNamespace(missing=missing), Suspicion(0.05))  # type: ignore[arg-type]
    running = asyncio.create_task(health.watch([line], servers, servers.ping))  # type: ignore[arg-type]
    await until(lambda: servers.rounds > 1, "it has looked")
    yield health
    running.cancel()
    await asyncio.wait([running])


def missing(health: Health) -> set[str]:
    return {name for name, problem in health.ready().items() if problem}


async def test_with_all_its_servers_it_is_ready() -> None:
    async with watching(Servers(), Intake()) as health:
        assert (missing(health), health.live()) == (set(), None)


async def test_before_it_has_begun_it_is_alive_and_not_ready() -> None:
    health = Health(Startup(asyncio.Event()), Instruments("tests"))
    assert (missing(health), health.live()) == ({"process"}, None)


async def test_servers_that_are_away_are_named_and_no_reason_for_a_restart() -> None:
    servers = Servers(members=[], kafka=KafkaConnectionError("gone"), postgres=AwayError("gone"))
    async with watching(servers, Intake(busy_seconds=900), missing="gone") as health:
        await until(lambda: servers.rounds > 30, "longer than anybody has patience")
        assert (missing(health), health.live()) == ({"kafka", "postgres", "recording"}, None)


async def test_a_consumer_that_stays_away_from_its_group_is_a_reason_for_a_restart() -> None:
    servers = Servers(members=["another"])
    async with watching(servers, Intake()) as health:
        assert missing(health) == {"usage consumer"}
        await until(lambda: health.live() is not None, "a restart is asked for")
        servers.members.append("me")
        await until(lambda: health.live() is None, "it has come back")


async def test_a_batch_that_takes_for_ever_while_nothing_is_missing_is_a_reason_for_a_restart() -> None:
    async with watching(Servers(), Intake(busy_seconds=301)) as health:
        assert health.live() is not None


async def test_while_nothing_can_be_written_the_ledger_is_as_late_as_the_batch_in_hand() -> None:
    instruments = Instruments("tests")

    def late() -> float | None:
        return instruments.registry.get_sample_value("sluice_ledger_lag_seconds", {"topic": "usage"})

    async with watching(Servers(), Intake(busy_seconds=70), instruments=instruments):
        assert late() is None  # it is being written: whoever writes tells
    async with watching(Servers(), Intake(busy_seconds=70), missing="gone", instruments=instruments):
        assert late() == 70
