"""Does one tenant's backlog hurt another? `python -m benchmarks.fairness [--json] [--record] [--backlog 20000]`.

Three questions, on two workers with their usual slots. A tenant queues a backlog that keeps every slot busy: (1) how
long do twenty jobs wait that another tenant queues then, compared with an idle system, for tenants that share none,
some or all of their partitions with the backlog; (2) how much later do interactive streams begin; and (3) of tenants
that all have a backlog, does each get tokens by its weight?

A job's wait is from its acceptance to its first provider call, by Sluice's own result events. Load, provider and
servers share the machine with what is measured.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from statistics import median

import aiohttp
import orjson
import uvloop

from benchmarks.jobs import Results, listening, queue
from benchmarks.load import Endpoint, Load, quantile, stream_load, token_ends
from benchmarks.report import Row, parser, report_of, tell
from benchmarks.system import System, running_system
from shared.sharding import partitions_of
from shared.topics import JOBS_BATCH

WORKERS = 2
BACKLOG_MODEL, STEADY_MODEL, QUICK_MODEL, STREAMED_MODEL = "long", "steady", "quick", "streamed"
MODELS: dict[str, dict[str, object]] = {
    BACKLOG_MODEL: {"opening": [4, 16], "tokens": 5},
    QUICK_MODEL: {"opening": 0.5, "tokens": 5},
    STEADY_MODEL: {"opening": [5, 7], "tokens": 5},
    STREAMED_MODEL: {"tokens": 50, "first_token": 0.2, "gap": 0.01},
}
ALONE = 175
"""How many of a worker's 200 slots one tenant gets while nobody else wants any: the rest is reserved."""
FLOOD, DELUGE = "flood", "deluge"
"""Each with a backlog: the one on its two partitions, as every tenant; the other, by configuration, on all of them."""
WEIGHTS = {"one": 1, "two": 2, "four": 4}
LARGEST = {"one": 500, "two": 2000, "four": 250}
"""`max_tokens` of each one's jobs: not their number is shared by weight, but their tokens."""
ROUNDS = 5


def guests() -> dict[str, str]:
    """A tenant for each way of meeting the flood's partitions, found by their names."""
    home = set(partitions_of(FLOOD, JOBS_BATCH.partitions, 2))
    found: dict[int, str] = {}
    number = 0
    while len(found) < 3:
        name = f"guest{number}"
        found.setdefault(len(home & set(partitions_of(name, JOBS_BATCH.partitions, 2))), name)
        number += 1
    return {
        "no partition in common": found[0],
        "one partition in common": found[1],
        "both partitions in common": found[2],
    }


def a_line(model: str, number: int, max_tokens: int = 200) -> bytes:
    messages = [{"role": "user", "content": f"Job {number}: say what you see."}]
    return orjson.dumps({"body": {"model": model, "messages": messages, "max_tokens": max_tokens}})


async def waits(system: System, results: Results, tenant: str) -> list[float]:
    """Of twenty quick jobs at once, several times over."""
    measured: list[float] = []
    for _ in range(ROUNDS):
        jobs = await queue(system, tenant, [a_line(QUICK_MODEL, number) for number in range(20)])
        measured += [
            (ended.started_at - ended.accepted_at).total_seconds()
            for ended in await results.of(jobs)
            if ended.started_at is not None
        ]
    return measured


async def first_tokens(endpoint: Endpoint, length: int) -> list[float]:
    """Seconds to the first token of streams that arrive evenly."""
    timings = await stream_load(endpoint, Load(60, spread_seconds=3.0, waves=5), length)
    return [timing.first_token for timing in timings]


async def until_saturated(system: System, slots: int) -> None:
    """Wait until the backlog's calls are as many as there are slots for one tenant."""
    async with asyncio.timeout(120), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{system.simulator.url}/_sim/totals") as response:
                if (await response.json())["in_flight"] >= slots:
                    return
            await asyncio.sleep(0.1)


async def until_idle(system: System) -> None:
    async with asyncio.timeout(600), aiohttp.ClientSession() as session:
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 2:
            async with session.get(f"{system.simulator.url}/_sim/totals") as response:
                if (await response.json())["in_flight"]:
                    quiet_since = time.monotonic()
            await asyncio.sleep(0.1)


async def interactive_rows(system: System, tenant: str) -> list[Row]:
    """In rounds, each with the provider alone, Sluice idle and Sluice saturated: what else the machine does meanwhile
    falls on all three, and the medians of the rounds are compared."""
    direct = Endpoint(system.simulator.url, "none", STREAMED_MODEL)
    through = Endpoint(system.ingress_url, system.keys[tenant], STREAMED_MODEL)
    length = (await token_ends(direct))[-1]
    await first_tokens(through, length)  # connections, caches, first imports
    idle: list[tuple[float, float]] = []
    busy: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        bare = await first_tokens(direct, length)
        idle.append(_added(bare, await first_tokens(through, length)))
        # The streams take some ten seconds, so the backlog must last more than two generations of jobs.
        await queue(system, DELUGE, [a_line(BACKLOG_MODEL, number) for number in range(800)])
        await until_saturated(system, WORKERS * ALONE)
        busy.append(_added(bare, await first_tokens(through, length)))
        await until_idle(system)
    rows: list[Row] = []
    for share, at in (("p50", 0), ("p99", 1)):
        alone, beside = median(added[at] for added in idle), median(added[at] for added in busy)
        rows += [
            Row(f"streams: added time to first token, {share}, idle", 1000 * alone, "ms"),
            Row(f"streams: added time to first token, {share}, batch saturated", 1000 * beside, "ms"),
            Row(f"streams: rise of the {share}", 100 * (beside / alone - 1), "%", "<= 25" if share == "p99" else ""),
        ]
    return rows


def _added(bare: Sequence[float], through: Sequence[float]) -> tuple[float, float]:
    """At p50 and p99."""
    return quantile(through, 0.5) - quantile(bare, 0.5), quantile(through, 0.99) - quantile(bare, 0.99)


async def wait_rows(
    system: System, results: Results, backlog: list[bytes], owner: str, visitors: dict[str, str]
) -> list[Row]:
    await waits(system, results, owner)  # connections, caches, first imports
    idle = {meets: await waits(system, results, tenant) for meets, tenant in visitors.items()}
    began = time.monotonic()
    await queue(system, owner, backlog)
    rows = [Row(f"{len(backlog)} jobs of one tenant: queued in", time.monotonic() - began, "s")]
    await until_saturated(system, WORKERS * ALONE if owner == DELUGE else ALONE)
    for meets, tenant in visitors.items():
        rows += _compared(f"20 jobs, {meets}", idle[meets], await waits(system, results, tenant))
    return rows


def _compared(name: str, idle: Sequence[float], behind: Sequence[float]) -> list[Row]:
    alone, not_alone = quantile(idle, 0.95), quantile(behind, 0.95)
    return [
        Row(f"{name}: wait on an idle system, p95", 1000 * alone, "ms"),
        Row(f"{name}: wait beside the backlog, p95", 1000 * not_alone, "ms"),
        Row(f"{name}: times as long", not_alone / alone, "", "<= 2"),
    ]


async def weight_rows(system: System, results: Results) -> list[Row]:
    """Every tenant's jobs are on all partitions, as weights hold among what a worker can choose from."""
    jobs = {"one": 1500, "two": 1500, "four": 6000}
    lines = {name: [a_line(STEADY_MODEL, n, LARGEST[name]) for n in range(jobs[name])] for name in WEIGHTS}
    await asyncio.gather(*(queue(system, name, lines[name]) for name in WEIGHTS))
    begins = time.time() + 10  # what went before all were queued has ended by then
    await asyncio.sleep(60)
    tokens: Counter[str] = Counter()
    for ended in list(results.by_id.values()):
        if ended.tenant in WEIGHTS and ended.started_at and ended.started_at.timestamp() > begins:
            tokens[ended.tenant] += LARGEST[ended.tenant]
    due = sum(tokens.values()) / sum(WEIGHTS.values())
    return [
        Row(f"weight {weight}: tokens against its due", 100 * tokens[name] / (due * weight), "%", "90 … 110")
        for name, weight in WEIGHTS.items()
    ]


async def measure(backlog: int) -> list[Row]:
    """A system of its own for each question: no backlog of one is left for the next."""
    rows: list[Row] = []
    everywhere = {"batch_partitions": JOBS_BATCH.partitions}
    async with running_system(MODELS, workers=WORKERS, tenants={DELUGE: everywhere, "reader": {}}) as system:
        rows += await interactive_rows(system, "reader")
    weighted = {name: {"weight": weight, **everywhere} for name, weight in WEIGHTS.items()}
    async with running_system(MODELS, workers=WORKERS, tenants=weighted) as system, listening(system) as results:
        rows += await weight_rows(system, results)
    lines = [a_line(BACKLOG_MODEL, number) for number in range(backlog)]
    visitors = guests()
    people = {FLOOD: {}, **{name: {} for name in visitors.values()}}
    async with running_system(MODELS, workers=WORKERS, tenants=people) as system, listening(system) as results:
        rows += await wait_rows(system, results, lines, FLOOD, visitors)
    visitors = {"beside a backlog on all partitions": "guest"}
    people = {DELUGE: everywhere, "guest": {}}
    async with running_system(MODELS, workers=WORKERS, tenants=people) as system, listening(system) as results:
        rows += await wait_rows(system, results, lines, DELUGE, visitors)
    return rows


async def _main(options: argparse.Namespace) -> None:
    rows = await measure(options.backlog)
    tell(report_of("fairness", f"One tenant's backlog and the others, {WORKERS} workers", rows), options)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--backlog", type=int, default=20_000)
    uvloop.run(_main(arguments.parse_args()))
