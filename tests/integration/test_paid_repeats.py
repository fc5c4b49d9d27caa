"""A call that broke after it had cost something is only made again for money that a budget still has."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.accounting.budgets.redis_books import RedisBooks
from shared.budgets import Held
from shared.contracts import Job, JobStatus, Reserved
from shared.money import Nanodollars
from simulator import Script
from tests.suites.fleet import Fleet, Servers, a_job, running_fleet

ONE_CALL = 100
LIMITS = {name: Nanodollars(limit) for name, limit in (("roomy", 1000), ("tight", 199), ("exact", 200))}
AT = {"provider": "sim"}
MODELS = {
    "breaks": {"deployments": [AT | {"model": "m;tokens=20;cut_after=5"}, AT | {"model": "m;tokens=20"}]},
    "refuses": {"deployments": [AT | {"model": "m;tokens=20;error_after=0"}, AT | {"model": "m;tokens=20"}]},
}


@pytest.fixture
async def fleet(
    kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]
) -> AsyncIterator[Fleet]:
    scripts, settings = {"m": Script()}, {"models": MODELS}
    async with running_fleet(
        Servers(kafka_url, redis_url), tmp_path, fresh_name("paid"), scripts=scripts, quirks={}, settings=settings
    ) as fleet:
        yield fleet


def holding(budget: str, model: str) -> Job:
    job = a_job(model=model)
    return job.model_copy(update={"reserved": Reserved(nanodollars=ONE_CALL, windows=(f"2026-11 {budget}",))})


async def test_a_call_is_repeated_as_long_as_every_budget_pays_for_it(fleet: Fleet) -> None:
    jobs = {
        (budget, model): holding(budget, model)
        for budget, model in (("roomy", "breaks"), ("exact", "breaks"), ("tight", "breaks"), ("tight", "refuses"))
    }
    books = RedisBooks(fleet.redis, fleet.keyspace)
    free, *holders = sorted(jobs, key=lambda name: name != ("tight", "refuses"))
    held = {jobs[name].id: Held(ONE_CALL, 1, jobs[name].reserved.windows) for name in holders}  # type: ignore[union-attr]
    await books.open("acme", LIMITS, (), held)
    await fleet.start_worker()
    await fleet.submit(*jobs.values())
    ended = dict(zip(jobs, await fleet.ended(*jobs.values()), strict=True))
    # What was refused before it began has cost nothing: nothing more is asked of the budget.
    assert [ended[name].status for name in (free, ("roomy", "breaks"), ("exact", "breaks"))] == [
        JobStatus.SUCCEEDED
    ] * 3
    refused = ended["tight", "breaks"]
    assert refused.error is not None
    assert (refused.status, refused.error.code, len(refused.attempts)) == (JobStatus.FAILED, "insufficient_quota", 1)
    after = await books.holds("acme")
    assert {name: after[jobs[name].id].nanodollars for name in holders} == {
        ("roomy", "breaks"): 2 * ONE_CALL,
        ("exact", "breaks"): 2 * ONE_CALL,
        ("tight", "breaks"): ONE_CALL,
    }
    assert (await books.read("acme")).held == {"2026-11 roomy": 200, "2026-11 exact": 200, "2026-11 tight": 100}
