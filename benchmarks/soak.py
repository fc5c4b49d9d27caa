"""Does memory stay where it is? `python -m benchmarks.soak [--seconds 1800] [--json] [--record]`.

A steady load of streams, plain answers and files of jobs goes through all of Sluice, and what each process holds is
looked at meanwhile. The first quarter is warm-up: connections, caches, code that had not run yet. From then on every
process should hold what it held, give or take a twentieth; the servers keep what they are told to keep.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
import orjson
import uvloop

from benchmarks.load import Endpoint, Load, plain_load, stream_load, token_ends
from benchmarks.report import Report, parser, tell
from benchmarks.system import Part, System, running_system

MODELS: Final[dict[str, dict[str, object]]] = {
    "streamed": {"tokens": 60, "gap": 0.01, "first_token": 0.1},
    "at-once": {"tokens": 20},
}
WORKERS: Final = 2
STREAMS, PLAIN, LINES = 6, 3, 6
"""A second."""
WARM_UP: Final = 0.25
"""Of the time."""
SAMPLES: Final = 120
TOLERATED: Final = 5.0
"""Percent."""


@dataclass(frozen=True, slots=True)
class Sample:
    at: float
    """Seconds since the load began."""
    rss: Mapping[str, int]
    """Bytes by process."""


@dataclass(frozen=True, slots=True)
class Row:
    process: str
    warm_mib: float
    most_mib: float
    end_mib: float

    @property
    def change(self) -> float:
        """Percent, from the end of the warm-up to the end."""
        return 100 * (self.end_mib / self.warm_mib - 1)


def rows_of(samples: Sequence[Sample], seconds: float) -> list[Row]:
    """Each figure is the median of some samples: the memory of one moment depends on what is in flight just then."""
    steady = [sample for sample in samples if sample.at >= WARM_UP * seconds]
    some = max(1, len(steady) // 10)

    def row(process: str) -> Row:
        held = [sample.rss[process] / 2**20 for sample in steady]
        return Row(process, statistics.median(held[:some]), max(held), statistics.median(held[-some:]))

    return [row(process) for process in samples[-1].rss]


def _named(parts: Sequence[Part]) -> dict[str, Part]:
    """Workers have one name between them."""
    return {f"{part.name} {number}": part for number, part in enumerate(parts, 1)}


async def _look(system: System, seconds: float) -> list[Sample]:
    parts, began, samples = _named(system.parts), time.monotonic(), []
    while (at := time.monotonic() - began) < seconds:
        samples.append(Sample(at, {name: part.rss_bytes for name, part in parts.items()}))
        await asyncio.sleep(seconds / SAMPLES)
    return samples


async def _load(system: System, seconds: float) -> int:
    """The same each second, whatever the second before has become of; returns how many answers and jobs there were."""
    streamed = Endpoint(system.ingress_url, system.key, "streamed")
    plain = Endpoint(system.ingress_url, system.key, "at-once")
    length = (await token_ends(Endpoint(system.simulator.url, "none", "streamed")))[-1]
    began, rounds = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while time.monotonic() - began < seconds:
            group.create_task(stream_load(streamed, Load(STREAMS, waves=1), length))
            group.create_task(plain_load(plain, connections=PLAIN, requests=PLAIN, per_second=PLAIN))
            group.create_task(_submit(system, rounds))
            rounds += 1
            await asyncio.sleep(max(0.0, began + rounds - time.monotonic()))
    return rounds * (STREAMS + PLAIN + LINES)


async def _submit(system: System, number: int) -> None:
    messages = [{"role": "user", "content": f"Round {number}: say what you see."}]
    line = orjson.dumps({"model": "at-once", "messages": messages})
    headers = {"authorization": f"Bearer {system.key}", "content-type": "application/jsonl"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{system.ingress_url}/v1/jobs", data=b"\n".join([line] * LINES), headers=headers, raise_for_status=True
        ) as answer,
    ):
        await answer.read()


def _report(rows: Sequence[Row], answers: int, seconds: float) -> Report:
    return Report(
        "soak",
        f"Memory under a steady load: {answers} answers in {seconds:g} s",
        ("process", "warm, MiB", "most, MiB", "at the end, MiB", "change", "goal"),
        [
            (
                row.process,
                f"{row.warm_mib:.1f}",
                f"{row.most_mib:.1f}",
                f"{row.end_mib:.1f}",
                f"{row.change:+.1f} %",
                f"± {TOLERATED:g} %",
            )
            for row in rows
        ],
        [
            {"process": row.process, "warm_mib": row.warm_mib, "end_mib": row.end_mib, "change": row.change}
            for row in rows
        ],
    )


async def _main(options: argparse.Namespace) -> int:
    async with running_system(MODELS, workers=WORKERS) as system:
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(_look(system, options.seconds))
            loading = group.create_task(_load(system, options.seconds))
        rows = rows_of(looking.result(), options.seconds)
    tell(_report(rows, loading.result(), options.seconds), options)
    return int(any(abs(row.change) > TOLERATED for row in rows))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=1800)
    sys.exit(uvloop.run(_main(arguments.parse_args())))
