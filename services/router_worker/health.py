"""Is this worker ready, is it alive? Not ready: what is missing, by name. Not alive: only when a restart would help."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from services.router_worker.consumption.subscriber import WatermarkSubscriber
from shared.telemetry import Instruments
from shared.telemetry.metrics import DEPENDENCY_UP

__all__ = ["Health"]


class Pulse(Protocol):
    @property
    def age_seconds(self) -> float:
        """Since Redis last took a beat."""
        ...


@dataclass(frozen=True, slots=True)
class _Parts:
    pulse: Pulse
    longest_silence: float
    lanes: Mapping[str, WatermarkSubscriber]


class Health:
    """Answers from the first moment: what is not there yet is missing."""

    def __init__(self, stopping: asyncio.Event, instruments: Instruments) -> None:
        self._stopping = stopping
        self._awaited: str | None = None
        self._parts: _Parts | None = None
        up = instruments.gauge(DEPENDENCY_UP)
        for server in ("kafka", "redis"):
            up.labels(server).set_function(partial(self._is_up, server))

    @contextmanager
    def awaiting(self, server: str) -> Iterator[None]:
        """Nothing goes on before this server answers."""
        self._awaited = server
        yield
        self._awaited = None

    def watch(self, pulse: Pulse, *, longest_silence: float, lanes: Mapping[str, WatermarkSubscriber]) -> None:
        self._parts = _Parts(pulse, longest_silence, lanes)

    def ready(self) -> Mapping[str, str | None]:
        missing: dict[str, str | None] = {"worker": "stopping" if self._stopping.is_set() else None}
        if self._awaited is not None:
            missing[self._awaited] = "has not answered yet"
        if self._parts is None:
            return missing | {"worker": missing["worker"] or "starting"}
        silence = self._parts.pulse.age_seconds
        missing["redis"] = f"no answer for {silence:.0f} s" if silence > self._parts.longest_silence else None
        missing["kafka"] = None
        for lane, subscriber in self._parts.lanes.items():
            missing["kafka"] = missing["kafka"] or subscriber.vigil.unanswered
            missing[f"{lane} consumer"] = subscriber.vigil.sign or subscriber.unsettled
        return missing

    def _is_up(self, server: str) -> bool:
        return self._parts is not None and self.ready()[server] is None

    def live(self) -> str | None:
        if self._parts is None:
            return None
        return next((stuck for each in self._parts.lanes.values() if (stuck := each.vigil.stuck)), None)
