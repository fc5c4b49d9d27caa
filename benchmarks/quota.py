"""Is a provider fed exactly at its limit? `python -m benchmarks.quota [--json] [--record] [--jobs 3000]`.

3,000 short batch jobs go through three workers to a provider that enforces 50 requests a second and then, in a second
run, tokens per minute. It counts by a bucket that holds one second of the limit, so the shortest time there is, the
work divided by the quota, leaves that one second out. Work is what the provider counted in the end; it admits a call
only if there is room for as many tokens as were asked for at most.

The same calls are made in two other ways: by OpenAI's client with its own two retries, and by one that makes as many
calls at once as the quota has a second, and on a refusal waits as long as it is told. Time runs from the first byte of
the file of jobs to the last result on Kafka; or from the first call to the last answer.
"""

import argparse
import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import httpx
import openai
import orjson
import uvloop

from benchmarks.jobs import listening, queue
from benchmarks.report import Report, parser, tell
from benchmarks.system import System, running_system

WORKERS: Final = 3
MODEL: Final = "short"
SCRIPT: Final[dict[str, object]] = {"tokens": "30..60", "opening": [0.05, 0.2]}
WARM_UP: Final = 60
MOST_TOKENS: Final = 60
BUCKET_SECONDS: Final = 1.0
REQUESTS_A_SECOND: Final = 50
TOKENS_A_MINUTE: Final = 150_000
_LEASES: Final = re.compile(r"^sluice_quota_leases_total\{.*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Setting:
    """A run: what the provider enforces, and what Sluice is told of it."""

    name: str
    enforced: dict[str, object]
    limits: dict[str, object]
    per_second: float
    counts_tokens: bool = False

    def least_seconds(self, work: "Work") -> float:
        units = work.tokens if self.counts_tokens else work.calls
        return (units - self.per_second * BUCKET_SECONDS) / self.per_second


SETTINGS: Final = (
    Setting(
        f"{REQUESTS_A_SECOND} requests/s",
        {"rps": REQUESTS_A_SECOND},
        {"requests_per_second": REQUESTS_A_SECOND},
        REQUESTS_A_SECOND,
    ),
    Setting(
        f"{TOKENS_A_MINUTE:,} tokens/min",
        {"tpm": TOKENS_A_MINUTE, "burst_seconds": BUCKET_SECONDS},
        {"tokens_per_minute": TOKENS_A_MINUTE, "burst_seconds": BUCKET_SECONDS},
        TOKENS_A_MINUTE / 60,
        counts_tokens=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Work:
    """What the provider has served, by its own books."""

    calls: int
    tokens: int
    refused: int


@dataclass(frozen=True, slots=True)
class Row:
    quota: str
    way: str
    seconds: float
    least_seconds: float
    refused: int
    failed: int
    leases: int | None = None

    @property
    def times_the_least(self) -> float | None:
        """None for who did not do all the work."""
        return None if self.failed else self.seconds / self.least_seconds


def body(number: int) -> dict[str, object]:
    messages = [{"role": "user", "content": f"Job {number}: say what you see."}]
    return {"model": MODEL, "messages": messages, "max_tokens": MOST_TOKENS}


@dataclass(frozen=True, slots=True)
class Made:
    seconds: float
    failed: int


async def by_sluice(system: System, jobs: int) -> Made:
    async with listening(system) as results:
        lines = [orjson.dumps({"body": body(number)}) for number in range(jobs)]
        began = time.monotonic()
        ended = await results.of(await queue(system, "bench", lines), seconds=600)
        return Made(time.monotonic() - began, sum(job.status != "succeeded" for job in ended))


async def by_client(system: System, jobs: int) -> Made:
    """OpenAI's client as it comes, with all calls at once."""
    async with openai.AsyncOpenAI(base_url=f"{system.simulator.url}/v1", api_key="none", timeout=600) as client:

        async def one(number: int) -> bool:
            try:
                await client.chat.completions.create(**body(number))  # type: ignore[call-overload]
            except openai.APIError:
                return False
            return True

        began = time.monotonic()
        answers = await asyncio.gather(*(one(number) for number in range(jobs)))
        return Made(time.monotonic() - began, answers.count(False))


async def by_semaphore(system: System, jobs: int) -> Made:
    places = asyncio.Semaphore(REQUESTS_A_SECOND)
    client = openai.AsyncOpenAI(base_url=f"{system.simulator.url}/v1", api_key="none", timeout=600, max_retries=0)

    async def one(number: int) -> None:
        async with places:
            while True:
                try:
                    await client.chat.completions.create(**body(number))  # type: ignore[call-overload]
                except openai.RateLimitError as error:
                    await asyncio.sleep(int(error.response.headers["retry-after-ms"]) / 1000)
                else:
                    return

    async with client:
        began = time.monotonic()
        await asyncio.gather(*(one(number) for number in range(jobs)))
        return Made(time.monotonic() - began, failed=0)


Way = Callable[[System, int], Awaitable[Made]]

WAYS: Final[dict[str, Way]] = {
    "OpenAI's client, 2 retries": by_client,
    f"semaphore of {REQUESTS_A_SECOND}, retries without end": by_semaphore,
}


async def served(system: System) -> Work:
    async with httpx.AsyncClient() as client:
        lines = (await client.get(f"{system.simulator.url}/_sim/served.jsonl", timeout=60)).text.splitlines()
    calls = [orjson.loads(line) for line in lines]
    whole = [call for call in calls if call["status"] == 200]
    tokens = sum(call["prompt_tokens"] + call["output_tokens"] for call in whole)
    return Work(len(whole), tokens, sum(call["status"] == 429 for call in calls))


async def leases(system: System) -> int:
    """How often the workers have asked the shared book."""
    async with httpx.AsyncClient() as client:
        pages = [
            (await client.get(f"{part.url}/metrics")).text for part in system.parts if part.name == "router_worker"
        ]
    return int(sum(float(count) for page in pages for count in _LEASES.findall(page)))


async def measured(system: System, setting: Setting, way: str, make: Way, jobs: int) -> Row:
    async with httpx.AsyncClient() as client:
        await client.post(f"{system.simulator.url}/_sim/reset")
    made = await make(system, jobs)
    work = await served(system)
    return Row(setting.name, way, made.seconds, setting.least_seconds(work), work.refused, made.failed)


async def measure(setting: Setting, jobs: int) -> list[Row]:
    simulated = {"quota": setting.enforced, "count_prompts": "o200k_base"}
    async with running_system(
        {MODEL: SCRIPT}, workers=WORKERS, simulated=simulated, limits={MODEL: setting.limits}
    ) as system:
        await by_sluice(system, WARM_UP)  # connections, caches, first imports
        rows = [await measured(system, setting, f"Sluice, {WORKERS} workers", by_sluice, jobs)]
        rows = [Row(**{**asdict(rows[0]), "leases": await leases(system)})]
        for way, make in WAYS.items():
            rows.append(await measured(system, setting, way, make, jobs))
    return rows


def report(rows: Sequence[Row], jobs: int) -> Report:
    headings = ("quota", "way", "seconds", "of at least", "times that", "refused (429)", "failed", "leases")
    shown = [
        (
            row.quota,
            row.way,
            f"{row.seconds:.1f}",
            "" if row.failed else f"{row.least_seconds:.1f}",
            "" if row.times_the_least is None else f"{row.times_the_least:.3f}",
            f"{row.refused:,}",
            f"{row.failed:,}",
            "" if row.leases is None else f"{row.leases:,}",
        )
        for row in rows
    ]
    figures: list[dict[str, object]] = [{**asdict(row), "times_the_least": row.times_the_least} for row in rows]
    return Report(
        "quota", f"{jobs:,} batch jobs at a provider's limit; Sluice's goal is 1.02, 0 and 0", headings, shown, figures
    )


async def _main(options: argparse.Namespace) -> None:
    rows = [row for setting in SETTINGS for row in await measure(setting, options.jobs)]
    tell(report(rows, options.jobs), options)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--jobs", type=int, default=3000)
    uvloop.run(_main(arguments.parse_args()))
