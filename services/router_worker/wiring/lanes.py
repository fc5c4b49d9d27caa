"""What does a worker take in? The two lanes of jobs, and those whose time has not come."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from services.router_worker.consumption.lane import DEFERRED, Intake, in_tiers
from services.router_worker.consumption.ports import Crowds
from services.router_worker.settings import Settings
from shared.contracts import Lane
from shared.topics import JOBS, TIERS

__all__ = ["intakes"]

_MOVES_AT_ONCE: Final = 64
"""How many jobs may be on their way out of a tier."""


def intakes(settings: Settings, weights: Mapping[str, int], crowd: Callable[[Lane], Crowds]) -> dict[str, Intake]:
    delays = {tier.topic.at(settings.topic_prefix): tier.delay for tier in TIERS}
    every_lane = Intake(
        topics=(),
        group="",
        slots=_MOVES_AT_ONCE,
        weights=weights,
        session_timeout_ms=int(settings.session_seconds * 1000),
        on_stop=settings.on_stop,
    )
    slots = {Lane.INTERACTIVE: settings.interactive_slots, Lane.BATCH: settings.batch_slots}
    lanes: dict[str, Intake] = {
        lane: replace(
            every_lane,
            topics=(topic.at(settings.topic_prefix),),
            group=f"{settings.namespace}.workers.{lane}",
            slots=slots[lane],
            crowds=crowd(lane),
            drain_seconds=settings.drain_seconds,
        )
        for lane, topic in JOBS.items()
    }
    deferred = replace(
        every_lane, topics=tuple(delays), group=f"{settings.namespace}.workers.{DEFERRED}", weigh=in_tiers(delays)
    )
    return lanes | {DEFERRED: deferred}
