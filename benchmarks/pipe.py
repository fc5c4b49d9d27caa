"""What does it cost to go through all of Sluice? `python -m benchmarks.pipe [--json] [--record] [--streams 100,300]`.

The same load goes to the simulated provider directly and through ingress, Kafka, a worker and Redis. Added latency is
the difference of the two distributions' quantiles; CPU is that of all Sluice's own processes together. Load and
provider share the machine with what is measured, so latencies on few cores are upper bounds. What it costs to read the
provider's answers and do nothing with them says what a millisecond is worth on this machine.
"""

import argparse
import asyncio
import time

import uvloop

from benchmarks.load import Endpoint, Load, Timing, plain_load, quantile, stream_load, token_ends
from benchmarks.report import Row, parser, report_of, tell
from benchmarks.system import System, running_system
from shared.lifecycle import spare_the_collector

TOKENS, GAP, FIRST = 200, 0.02, 0.2
STREAMED = {"tokens": TOKENS, "gap": GAP, "first_token": FIRST}
AT_ONCE = {"tokens": 20}


def streams_rows(
    streams: int, ends: list[int], direct: list[Timing], through: list[Timing], cpu: dict[str, float], bare_cpu: float
) -> list[Row]:
    def added(share: float) -> float:
        return 1000 * (
            quantile([timing.first_token for timing in through], share)
            - quantile([timing.first_token for timing in direct], share)
        )

    late = [1000 * (at - FIRST - n * GAP) for timing in through for n, at in enumerate(timing.arrivals(ends))]
    name = f"{streams} streams: "
    return [
        Row(name + "added time to first token, p50", added(0.5), "ms", "<= 10"),
        Row(name + "added time to first token, p99", added(0.99), "ms", "<= 40"),
        Row(name + "token late against schedule, p99", quantile(late, 0.99), "ms", "<= 30"),
        Row(name + "CPU of all processes an answer", 1000 * sum(cpu.values()) / len(through), "ms", "<= 12"),
        *[Row(f"{name}  of which {part}", 1000 * spent / len(through), "ms", "") for part, spent in cpu.items()],
        Row(name + "CPU of only reading an answer from the provider", 1000 * bare_cpu / len(direct), "ms", ""),
    ]


async def measure(system: System, streams: list[int]) -> list[Row]:
    rows: list[Row] = []
    through = Endpoint(system.ingress_url, system.key, "streamed")
    direct = Endpoint(system.simulator.url, "none", "streamed")
    ends = await token_ends(direct)
    await stream_load(through, Load(20, waves=1), ends[-1])  # connections, caches, first imports
    spare_the_collector()
    for count in streams:
        load = Load(count)
        bare_began = time.process_time()
        bare = await stream_load(direct, load, ends[-1])
        bare_cpu = time.process_time() - bare_began
        before = system.cpu()
        timings = await stream_load(through, load, ends[-1])
        await asyncio.sleep(1)  # accounting writes the last of them
        rows += streams_rows(count, ends, bare, timings, _spent(before, system.cpu()), bare_cpu)
    rows += await _plain(system)
    rows += [Row(f"{part.name}: start to ready", part.ready_seconds, "s", "<= 2") for part in system.parts]
    rows += [Row(f"{part.name}: idle memory", part.idle_rss / 2**20, "MiB", "<= 120") for part in system.parts]
    rows += [Row(f"{part.name}: memory after the load", part.rss_bytes / 2**20, "MiB", "") for part in system.parts]
    return rows


async def _plain(system: System) -> list[Row]:
    through = Endpoint(system.ingress_url, system.key, "at-once")
    direct = Endpoint(system.simulator.url, "none", "at-once")
    bare = await plain_load(direct, connections=64, requests=500, per_second=50)
    paced = await plain_load(through, connections=64, requests=500, per_second=50)
    before = system.cpu()
    await plain_load(through, connections=64, requests=2000, per_second=None)
    await asyncio.sleep(1)
    spent = _spent(before, system.cpu())
    return [
        Row("plain, 50/s: added, p50", 1000 * (quantile(paced, 0.5) - quantile(bare, 0.5)), "ms", "<= 10"),
        Row("plain, 50/s: added, p99", 1000 * (quantile(paced, 0.99) - quantile(bare, 0.99)), "ms", "<= 25"),
        Row("plain, 64 connections: CPU of all processes a request", 1000 * sum(spent.values()) / 2000, "ms", "<= 3"),
        *[Row(f"plain, 64 connections:   of which {part}", spent[part] / 2, "ms", "") for part in spent],
    ]


def _spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}


async def _main(options: argparse.Namespace) -> None:
    async with running_system({"streamed": STREAMED, "at-once": AT_ONCE}) as system:
        rows = await measure(system, [int(count) for count in options.streams.split(",")])
    tell(report_of("pipe", "Through all of Sluice", rows), options)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--streams", default="100,300", help="how many at once, a run each")
    uvloop.run(_main(arguments.parse_args()))
