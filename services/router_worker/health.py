"""Is this worker ready, is it alive? Not ready: what is missing, by name. Not alive: only when a restart would help."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from services.router_worker.consumption.subscriber import WatermarkSubscriber
from shared.lifecycle import Startup
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

    def __init__(self, startup: Startup, instruments: Instruments) -> None:
        self._startup = startup
        self._parts: _Parts | None = None
        up = instruments.gauge(DEPENDENCY_UP)
        for server in ("kafka", "redis"):
            up.labels(server).set_function(partial(self._is_up, server))

    def watch(self, pulse: Pulse, *, longest_silence: float, lanes: Mapping[str, WatermarkSubscriber]) -> None:
        self._parts = _Parts(pulse, longest_silence, lanes)
        self._startup.over()

    def ready(self) -> Mapping[str, str | None]:
        missing = self._startup.missing()
        if self._parts is None:
            return missing
        silence = self._parts.pulse.age_seconds
        missing["redis"] = f"no answer for {silence:.0f} s" if silence > self._parts.longest_silence else None
        missing["kafka"] = None
        for lane, subscriber in self._parts.lanes.items():
            missing["kafka"] = missing["kafka"] or subscriber.vigil.unanswered
            missing[f"{lane} consumer"] = subscriber.vigil.sign or subscriber.unsettled
            missing[f"{lane} records"] = subscriber.halted
        return missing

    def _is_up(self, server: str) -> bool:
        return self._parts is not None and self.ready()[server] is None

    def live(self) -> str | None:
        if self._parts is None:
            return None
        return next((stuck for each in self._parts.lanes.values() if (stuck := each.vigil.stuck)), None)
