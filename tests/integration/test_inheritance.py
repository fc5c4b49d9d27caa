"""Who died with a partition leaves a warning behind; who let go of it alive does not."""

from collections.abc import Callable

import pytest

from services.router_worker.consumption.delivery import current_delivery
from services.router_worker.consumption.vigil import Patience
from tests.suites.consumption import consuming, new_topic, produce
from tests.suites.fleet import until


@pytest.fixture
async def topic(kafka_url: str, fresh_name: Callable[[str], str]) -> str:
    return await new_topic(kafka_url, fresh_name("jobs"))


class Risks:
    """Of the records as they come."""

    def __init__(self) -> None:
        self.seen: dict[bytes, bool] = {}

    async def handle(self, value: bytes) -> None:
        self.seen[value] = current_delivery.get().is_risky
        raise RuntimeError("stays unfinished")


async def test_what_a_dead_worker_had_is_risky_and_what_came_later_is_not(kafka_url: str, topic: str) -> None:
    first, second = Risks(), Risks()
    await produce(kafka_url, topic, 8)
    never = Patience(dead_seconds=600)  # what is dead is not built anew
    async with consuming(kafka_url, topic, first.handle, patience=never) as dying:
        await until(lambda: len(first.seen) == 8, "it has all in hand")
        assert not any(first.seen.values())
        assert dying._member is not None
        await dying._member.end()  # its connections are gone, and it has committed nothing more
        async with consuming(kafka_url, topic, second.handle):
            await until(lambda: len(second.seen) == 8, "the next one gets all of them")
            assert all(second.seen.values())
            await produce(kafka_url, topic, 12)
            await until(lambda: len(second.seen) == 12, "what came later comes, too")
            assert [second.seen[b"%d" % number] for number in range(8, 12)] == [False] * 4


async def test_what_a_living_worker_let_go_of_is_not_risky(kafka_url: str, topic: str) -> None:
    first, second = Risks(), Risks()
    await produce(kafka_url, topic, 8)
    async with consuming(kafka_url, topic, first.handle):
        await until(lambda: len(first.seen) == 8, "it has all in hand")
    async with consuming(kafka_url, topic, second.handle):
        await until(lambda: len(second.seen) == 8, "the next one gets all of them")
    assert not any(second.seen.values())
