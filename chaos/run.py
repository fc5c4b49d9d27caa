"""One run from beginning to end: everything up, load and faults side by side, quiet, and what everybody saw of it."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.bench.stand import Stand, Wishes, running_stand
from chaos.facts import Accepted, Facts
from chaos.hands import Hands, hands_on
from chaos.history import Logs, history
from chaos.load.plan import ReaderPlan, planned
from chaos.load.users import Users, users_of
from chaos.outcome import Outcome, outcome_of, suspects
from chaos.schedule import Fault, scheduled
from chaos.witness.audit import audited
from chaos.witness.books import read_books
from chaos.witness.job_logs import read_claim, read_job_logs
from chaos.witness.offsets import Offsets, watching_offsets
from chaos.witness.provider import calls_served, calls_under_way
from chaos.witness.records import accepted_jobs, buried, deferred_jobs, endings

__all__ = ["Order", "performed"]

Tell = Callable[[str], None]

_QUIET_SECONDS: Final = 180.0
"""From the end of the load until the last offset is committed: longer than the longest deadline."""
_LOOK_SECONDS: Final = 1.0
_STILL_LOOKS: Final = 2
_LATE_READERS: Final = 120
_LATE_AT_ONCE: Final = 24
_NEAR_SECONDS: Final = 15.0
_LATE_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done."""

    seconds: float
    scale: float
    wishes: Wishes
    sabotage: str | None = None
    faults: bool = True


async def performed(order: Order, folder: Path, tell: Tell) -> Outcome:
    """Nothing of it runs afterwards. Raises what the servers or processes do that do not even start."""
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    async with (
        running_stand(folder, order.wishes, tell) as stand,
        users_of(stand) as users,
        hands_on(stand, tell) as hands,
        watching_offsets(stand.servers.kafka.url) as offsets,
    ):
        await _storm(order, stand, users, hands, tell)
        facts = await _gathered(order, stand, users, hands, offsets, tell)
        histories = await _histories(facts, stand)
    return outcome_of(
        facts,
        seed=order.wishes.seed,
        seconds=order.seconds,
        scale=order.scale,
        sabotage=order.sabotage,
        histories=histories,
    )


async def _storm(order: Order, stand: Stand, users: Users, hands: Hands, tell: Tell) -> None:
    schedule: Sequence[Fault] = ()
    if order.faults:
        schedule = scheduled(order.seconds, stand.cast, _rng(order, "faults"))
    errands = planned(order.seconds, order.scale, order.wishes.tenants, _rng(order, "load"))
    tell(f"{len(errands)} errands and {len(schedule)} faults in {order.seconds:g} s")
    async with asyncio.TaskGroup() as group:
        group.create_task(users.go(errands), name="users")
        await hands.play(schedule)
        users.readers.hurry.set()


async def _quiet(offsets: Offsets, tell: Tell) -> Mapping[str, int]:
    """Wait until every record is committed; returns what is not."""
    tell("waiting for quiet")
    give_up_at = time.monotonic() + _QUIET_SECONDS
    still = 0
    behind: Mapping[str, int] | None = {"the broker did not answer": 1}
    while time.monotonic() < give_up_at:
        behind = await offsets.behind()
        still = still + 1 if behind is not None and not behind else 0
        if still == _STILL_LOOKS:
            return {}
        await asyncio.sleep(_LOOK_SECONDS)
    return {"the broker did not answer": 1} if behind is None else behind


async def _read_late(order: Order, users: Users, hands: Hands, accepted: Sequence[Accepted], tell: Tell) -> None:
    """Readers who come when all is over: for jobs that ran when Valkey forgot, and for others as chance will."""
    chosen = _worth_reading(accepted, hands, _rng(order, "late"))
    tell(f"reading {len(chosen)} jobs once more")
    submissions = {each.name: each for each in users.notebook.submissions}
    at_once = asyncio.Semaphore(_LATE_AT_ONCE)

    async def read(number: int, record: Accepted) -> None:
        submission = submissions.get(record.name or "")
        if submission is None:
            return
        plan = ReaderPlan(f"late/{number}", number, (), ())
        key = users.doors.keys[submission.tenant]
        async with at_once:
            users.notebook.transcripts.append(await users.readers.read(record.job, key, plan, _LATE_SECONDS))

    await asyncio.gather(*(read(number, record) for number, record in enumerate(chosen)))


def _worth_reading(accepted: Sequence[Accepted], hands: Hands, rng: random.Random) -> list[Accepted]:
    forgettings = [strike.began_at for strike in hands.strikes if strike.fault.act.forgets]
    shuffled = rng.sample(accepted, len(accepted))
    shuffled.sort(key=lambda record: not any(0 <= at - record.accepted_at < _NEAR_SECONDS for at in forgettings))
    return shuffled[:_LATE_READERS]


async def _gathered(order: Order, stand: Stand, users: Users, hands: Hands, offsets: Offsets, tell: Tell) -> Facts:
    waiting = await _quiet(offsets, tell)
    for link in stand.links.values():
        link.bury()
    kafka = stand.servers.kafka.url
    accepted = await accepted_jobs(kafka)
    await _read_late(order, users, hands, accepted, tell)
    ledger, jobs = await read_books(stand.servers.postgres.url)
    lives = tuple(life for process in stand.processes.values() for life in process.lives)
    return Facts(
        submissions=tuple(users.notebook.submissions),
        accepted=accepted,
        deferred=await deferred_jobs(kafka),
        endings=await endings(kafka),
        commits=tuple(offsets.commits),
        looks=offsets.looks,
        calls=calls_served(stand.served, lives),
        unfinished_calls=await calls_under_way(stand.simulator_url),
        ledger=ledger,
        jobs=jobs,
        transcripts=tuple(users.notebook.transcripts),
        logs=await read_job_logs(stand.servers.valkey.url, {record.job for record in accepted}),
        strikes=tuple(hands.strikes),
        lives=lives,
        dead_letters=await buried(kafka),
        hanging=tuple(f"{place}: {count} records" for place, count in waiting.items()),
        audit=await audited(stand.variables, min(life.began_at for life in lives)),
    )


async def _histories(facts: Facts, stand: Stand) -> tuple[tuple[str, ...], ...]:
    jobs = suspects(facts)
    logs = Logs.read(stand.folder / "logs", jobs)
    claims = {job: await read_claim(stand.servers.valkey.url, job) for job in jobs}
    return tuple(tuple(history(facts, logs, claims, job)) for job in jobs)


def _rng(order: Order, what: str) -> random.Random:
    return random.Random(f"{what}/{order.wishes.seed}")  # noqa: S311 - a play, not a secret
