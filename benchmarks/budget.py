"""Is a budget ever overshot, and how much of it is usable? `python -m benchmarks.budget [--json] [--record]`.

1,000 calls at once, over four ingress replicas, against a budget for 100 of them; each scenario is a tenant of its own.
A caller that is told that it may come again comes again, as often as it is told; one that is told that its budget is
spent does not. When the last has given up or been answered, and the ledger has every call, what was spent is compared
with the budget: by the ledger, and by what the provider has served.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Final

import asyncpg
import httpx
import uvloop
from redis.asyncio import Redis

from benchmarks.report import Report, parser, tell
from benchmarks.system import System, running_system
from shared.ids import new_id

CALLS: Final = 1000
FOR: Final = 100
INGRESSES: Final = 4
WORKERS: Final = 2
PROMPT: Final = "Tell me, in a few words, what a sluice is good for."
PROMPT_TOKENS: Final = 23
INPUT_DOLLARS: Final = 1
OUTPUT_DOLLARS: Final = 2
TOKENS: Final = 50
LONGEST: Final = 200
MODELS: Final[dict[str, dict[str, object]]] = {
    "gpt-4o": {"tokens": str(TOKENS), "opening": [0.3, 0.8]},
    "gpt-4o-mini": {"tokens": f"10..{LONGEST}", "opening": [0.3, 0.8]},
}
_PATIENCE_SECONDS: Final = 90
_SETTLED_SECONDS: Final = 60

Sabotage = Callable[[System], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    tenant: str
    model: str = "gpt-4o"
    output_tokens: int = TOKENS
    """What an answer has on the average."""
    max_tokens: int | None = TOKENS
    sabotage: Sabotage | None = None

    @property
    def dollars(self) -> Decimal:
        """A budget for so many of its calls, to the nanodollar, and what is held for rounding."""
        nanos = 1000 * (INPUT_DOLLARS * PROMPT_TOKENS + OUTPUT_DOLLARS * self.output_tokens) * FOR + 10
        return Decimal(nanos).scaleb(-9)


async def flush(system: System) -> None:
    redis = Redis.from_url(system.redis_url)
    await redis.flushall()
    await redis.aclose()


async def kill_accounting(system: System) -> None:
    await system.kill(next(part for part in system.parts if part.name == "accounting"))
    await system.start("accounting")


SCENARIOS: Final = (
    Scenario("answers as long as allowed", "exact"),
    Scenario("answers shorter than allowed", "short", max_tokens=LONGEST),
    Scenario("nobody says how long", "unsaid", "gpt-4o-mini", (10 + LONGEST) // 2, None),
    Scenario("FLUSHALL of Redis meanwhile", "flush", max_tokens=LONGEST, sabotage=flush),
    Scenario("SIGKILL of accounting meanwhile", "kill", max_tokens=LONGEST, sabotage=kill_accounting),
)


@dataclass(frozen=True, slots=True)
class Row:
    scenario: str
    answered: int
    refused: int
    came_again: int
    budget_dollars: Decimal
    spent_dollars: Decimal
    held_dollars: Decimal
    seconds: float

    @property
    def overshoot(self) -> Decimal:
        return max(self.spent_dollars - self.budget_dollars, Decimal(0))

    @property
    def used(self) -> float:
        return float(self.spent_dollars / self.budget_dollars * 100)


async def call(client: httpx.AsyncClient, scenario: Scenario, outcomes: Counter[str]) -> None:
    body: dict[str, object] = {"model": scenario.model, "messages": [{"role": "user", "content": PROMPT}]}
    if scenario.max_tokens is not None:
        body["max_tokens"] = scenario.max_tokens
    until = time.monotonic() + _PATIENCE_SECONDS
    # A call that is sent again is the job that it was, if it became one.
    headers = {"idempotency-key": new_id("call")}
    while True:
        try:
            answer = await client.post("/v1/chat/completions", json=body, headers=headers)
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            outcomes["came again"] += 1
            await asyncio.sleep(0.2)
            continue
        if answer.status_code == 200:
            outcomes["answered"] += 1
            return
        again = answer.headers.get("retry-after")
        if again is None or time.monotonic() > until:
            outcomes[f"refused {answer.status_code}"] += 1
            return
        outcomes["came again"] += 1
        await asyncio.sleep(min(float(again), 1.0))


async def measured(system: System, scenario: Scenario) -> Row:
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    headers = {"authorization": f"Bearer {system.keys[scenario.tenant]}"}
    limits = httpx.Limits(max_connections=CALLS)
    clients = [
        httpx.AsyncClient(base_url=url, headers=headers, timeout=120, limits=limits, trust_env=False)
        for url in system.ingress_urls
    ]
    async with asyncio.TaskGroup() as group:
        for number in range(CALLS):
            group.create_task(call(clients[number % len(clients)], scenario, outcomes))
        if scenario.sabotage is not None:
            while outcomes["answered"] < FOR // 4:
                await asyncio.sleep(0.05)
            await scenario.sabotage(system)
    for client in clients:
        await client.aclose()
    seconds = time.monotonic() - began
    spent, held = await settled(system, scenario.tenant, outcomes["answered"])
    refused = sum(count for name, count in outcomes.items() if name.startswith("refused"))
    return Row(
        scenario.name, outcomes["answered"], refused, outcomes["came again"], scenario.dollars, spent, held, seconds
    )


async def settled(system: System, tenant: str, calls: int) -> tuple[Decimal, Decimal]:
    """What the ledger says is spent, once it has every call; and what is still held then."""
    connection = await asyncpg.connect(system.postgres_url)
    try:
        async with asyncio.timeout(_SETTLED_SECONDS):
            while True:
                recorded = await connection.fetchval("select count(*) from usage_ledger where tenant = $1", tenant)
                row = await connection.fetchrow(
                    "select spent_dollars, held_dollars from budget_status where tenant = $1", tenant
                )
                if recorded >= calls and row["held_dollars"] == 0:
                    return row["spent_dollars"], row["held_dollars"]
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


async def measure(scenarios: Sequence[Scenario]) -> list[Row]:
    tenants = {each.tenant: {"budgets": [{"dollars": str(each.dollars), "per": "total"}]} for each in scenarios}
    deployments = [{"provider": "sim"}]
    async with running_system(
        MODELS,
        workers=WORKERS,
        ingresses=INGRESSES,
        tenants=tenants,
        simulated={"count_prompts": "o200k_base"},
        sections={
            "models": {
                "gpt-4o": {"deployments": deployments},
                "gpt-4o-mini": {"deployments": deployments, "max_output_tokens": LONGEST},
            },
            "prices": [{"provider": "sim", "model": "*", "input": INPUT_DOLLARS, "output": OUTPUT_DOLLARS}],
        },
        variables={"SLUICE_SUBMIT_SECONDS": "3", "SLUICE_BUDGET_REOPEN_SECONDS": "5"},
    ) as system:
        rows = []
        for each in scenarios:
            rows.append(await measured(system, each))
            print(rows[-1], file=sys.stderr)
        return rows


def report(rows: Sequence[Row]) -> Report:
    headings = ("scenario", "answered", "refused", "came again", "budget, $", "spent, $", "overshoot, $", "used", "s")
    shown = [
        (
            row.scenario,
            f"{row.answered:,}",
            f"{row.refused:,}",
            f"{row.came_again:,}",
            f"{row.budget_dollars:f}",
            f"{row.spent_dollars.normalize():f}",
            f"{row.overshoot.normalize():f}",
            f"{row.used:.1f} %",
            f"{row.seconds:.0f}",
        )
        for row in rows
    ]
    title = f"{CALLS:,} calls at once on {INGRESSES} ingress replicas, a budget for {FOR}; goal: overshoot 0, used 95 %"
    figures: list[dict[str, object]] = [
        {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(row).items()}
        for row in rows
    ]
    return Report("budget", title, headings, shown, figures)


async def _main(options: argparse.Namespace) -> None:
    chosen = [each for each in SCENARIOS if options.only in (None, each.tenant)]
    tell(report(await measure(chosen)), options)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--only", help="one scenario, by its tenant")
    uvloop.run(_main(arguments.parse_args()))
