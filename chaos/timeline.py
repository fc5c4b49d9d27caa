"""What was wrong with whom at that time? Questions to the history of faults; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from chaos.facts import Facts, Life, Strike
from chaos.schedule import Act, Role

__all__ = ["Timeline"]

_AFTERMATH_SECONDS = 8.0
"""A connection that was held or cut is missed for some time after it is whole again: pools reconnect, claims expire."""


@dataclass(frozen=True)
class Timeline:
    facts: Facts

    @cached_property
    def lives(self) -> dict[str, Life]:
        return {life.name: life for life in self.facts.lives}

    @cached_property
    def _forgettings(self) -> tuple[Strike, ...]:
        return tuple(strike for strike in self.facts.strikes if strike.fault.act.forgets)

    def forgot(self, since: float, until: float) -> bool:
        """Whether Valkey lost something that it had been told between these times."""
        return any(strike.ended_at >= since and strike.began_at <= until for strike in self._forgettings)

    def near(self, since: float, until: float) -> Iterator[Strike]:
        return (s for s in self.facts.strikes if s.began_at <= until and s.ended_at + _AFTERMATH_SECONDS >= since)

    def away(self, life: str | None, since: float, until: float) -> str | None:
        """Why that worker could be taken for dead in between; None when it could not."""
        boot = self.lives.get(life or "")
        if boot is None:
            return "nobody knows whose call it was"
        if boot.killed and boot.ended_at is not None and boot.ended_at <= until:
            return f"{boot.name} was killed"  # what it had sent may arrive when it is dead
        for strike in self.near(since, until):
            if strike.fault.act is Act.FREEZE and strike.fault.target == boot.slot:
                return f"{boot.name} was stopped"
            if strike.fault.act.is_of_a_link and strike.fault.target == f"{boot.slot}>valkey":
                return f"{boot.name} was cut off from Valkey"
            if strike.fault.target == "valkey" and strike.fault.act is Act.KILL:
                return "Valkey was away"
        return None

    def standstill(self, since: float, until: float) -> float:
        """For how many seconds in between Kafka or Valkey was away, or a worker stood still: no job need end then."""
        spans = sorted(
            (max(strike.began_at, since), min(strike.ended_at, until))
            for strike in self.facts.strikes
            if strike.fault.target in ("kafka", "valkey")
            or (strike.fault.act is Act.FREEZE and strike.fault.target.startswith("worker"))
        )
        total, covered_to = 0.0, since
        for began, ended in spans:
            total += max(0.0, ended - max(began, covered_to))
            covered_to = max(covered_to, ended)
        return total

    def was_draining(self, life: str | None, at: float) -> bool:
        boot = self.lives.get(life or "")
        return boot is not None and boot.asked_to_end_at is not None and boot.asked_to_end_at <= at

    def provider_was_cut_off(self, life: str | None, since: float, until: float) -> bool:
        boot = self.lives.get(life or "")
        return boot is not None and any(
            strike.fault.act.is_of_a_link and strike.fault.target in (f"{boot.slot}>alpha", f"{boot.slot}>beta")
            for strike in self.near(since, until)
        )

    def deaths(self, since: float, until: float) -> int:
        """How often a worker could be taken for dead in between."""
        killed = sum(
            life.role is Role.WORKER and life.ended_at is not None and since <= life.ended_at <= until
            for life in self.facts.lives
        )
        return killed + sum(
            strike.fault.act is Act.FREEZE or strike.fault.target.endswith(">valkey")
            for strike in self.near(since, until)
        )
