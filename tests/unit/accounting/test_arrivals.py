"""Everything that Kafka has is recorded, also where it never had anything, or has forgotten what was never taken."""

import pytest

from services.accounting.budgets.arrivals import Arrivals
from services.accounting.budgets.noted import Noted
from services.accounting.ports import Place, Reach

ONE, TWO = Place("jobs", 0), Place("jobs", 1)


@pytest.mark.parametrize(
    ("reach", "recorded", "complete"),
    [
        ({ONE: Reach(0, 0)}, {}, True),
        ({ONE: Reach(0, 5), TWO: Reach(0, 2)}, {ONE: 5, TWO: 2}, True),
        ({ONE: Reach(0, 5), TWO: Reach(0, 2)}, {ONE: 5}, False),
        ({ONE: Reach(0, 5)}, {ONE: 4}, False),
        ({ONE: Reach(5, 5)}, {}, True),
        ({ONE: Reach(3, 5)}, {ONE: 1}, False),
        ({ONE: Reach(0, 5)}, {ONE: 7}, True),
    ],
)
async def test_it_is_complete_when_every_partition_is(
    reach: dict[Place, Reach], recorded: dict[Place, int], complete: bool
) -> None:
    async def reached() -> dict[Place, Reach]:
        return reach

    async def known() -> dict[Place, int]:
        return recorded

    assert await Arrivals(reached, known, patience_seconds=0).complete() is complete


async def test_while_more_comes_it_is_complete_with_what_there_was() -> None:
    recorded = {ONE: 3}

    async def reached() -> dict[Place, Reach]:
        return {ONE: Reach(0, 5)}

    async def known() -> dict[Place, int]:
        recorded[ONE] += 1
        return recorded

    assert await Arrivals(reached, known, patience_seconds=60).complete()


async def test_only_jobs_of_tenants_with_hard_budgets_are_noted() -> None:
    noted = Noted()
    noted.note([("acme", "a")])
    noted.only_of(["acme"])
    await noted.wait(0)
    noted.note([("acme", "b"), ("rival", "c"), ("acme", "b")])
    await noted.wait(60)
    assert noted.take() == {"acme": {"b"}}
    assert noted.take() == {}
