"""A worker process and providers of two families: who can be asked is asked, and the ledger has what each counted."""

from collections.abc import Callable
from pathlib import Path

from shared.contracts import JobStatus, TokenUsage
from shared.job_log import EventType
from simulator import Script
from tests.suites.fleet import Servers, a_job, running_fleet, until


async def test_two_families_serve_one_model(
    kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    scripts = {"claude": Script(tokens=10, cached_tokens=3, cache_written_tokens=2), "gpt": Script(tokens=10)}
    async with running_fleet(
        Servers(kafka_url, redis_url),
        tmp_path,
        fresh_name("fleet"),
        scripts=scripts,
        quirks={},
        dialects={"claude": "anthropic"},
    ) as fleet:
        await fleet.start_worker()
        plain, seeded, hopeless = a_job(), a_job(), a_job(model="claude")
        seeded.body["seed"] = hopeless.body["seed"] = 7
        for job in (plain, seeded, hopeless):
            await fleet.submit(job)
        by_claude, by_gpt, refused = await fleet.ended(plain, seeded, hopeless)
        await until(lambda: len(fleet.usage) == 2, "both calls are charged", 30)
        calls = {call.model: call for call in fleet.simulator.served()}
        entries = await fleet.log(plain)

    assert (by_claude.model_served, by_claude.status) == ("claude", JobStatus.SUCCEEDED)
    assert any(entry.type is EventType.DELTA for entry in entries)
    served = calls["claude"]
    assert by_claude.usage == TokenUsage(
        uncached_input=served.prompt_tokens - 5, cache_read=3, cache_write=2, output=10
    )

    assert by_gpt.model_served == "gpt"
    assert by_gpt.route == ("sim/gpt",)
    assert [(entry.verdict, entry.reason) for entry in by_gpt.plan or ()] == [
        ("asked", "number 1 by priority: succeeded"),
        ("skipped", "'seed' is nothing that Anthropic could be asked for"),
    ]
    assert [attempt.deployment for attempt in by_gpt.attempts] == ["sim/gpt"]

    assert refused.status is JobStatus.FAILED
    assert refused.attempts == ()
    assert refused.error is not None
    assert (refused.error.status_code, refused.error.param) == (400, "seed")
    assert len(calls) == 2
