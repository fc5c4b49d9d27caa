"""A worker that chooses by what runs where: its own calls count at once, and it tells the others of them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from shared.contracts import JobStatus
from simulator import Script
from tests.suites.fleet import Servers, a_job, running_fleet


async def test_jobs_go_to_whom_has_the_fewest_calls(
    kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    scripts = {name: Script(tokens=5, first_token=1.0) for name in ("one", "other")}
    async with running_fleet(
        Servers(kafka_url, redis_url),
        tmp_path,
        fresh_name("fleet"),
        scripts=scripts,
        quirks={},
        strategy="least-in-flight",
    ) as fleet:
        await fleet.start_worker()
        jobs = [a_job() for _ in range(6)]
        for job in jobs:
            await fleet.submit(job)
        ended = await fleet.ended(*jobs)
        assert await fleet.redis.hlen(fleet.keyspace.traffic) == 1

    assert {end.status for end in ended} == {JobStatus.SUCCEEDED}
    calls = Counter(end.attempts[0].deployment for end in ended)
    assert min(calls["sim/one"], calls["sim/other"]) >= 2, calls
