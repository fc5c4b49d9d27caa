"""What a router worker takes from its environment, beside what every process takes."""

import os
import socket
from enum import StrEnum

from pydantic import Field

from shared.settings import CommonSettings

__all__ = ["OnStop", "Settings"]


class OnStop(StrEnum):
    LEAVE = "leave"
    """Others take the partitions at once."""
    STAY = "stay"
    """The partitions wait until the session's end for this worker to come back."""


class Settings(CommonSettings):
    worker_name: str = Field(default_factory=socket.gethostname, validation_alias="SLUICE_WORKER_NAME")
    """Where it runs, for people who read logs; its id adds the process and the boot."""
    probe_host: str = Field("0.0.0.0", validation_alias="SLUICE_PROBE_HOST")
    """Where the probes listen."""
    probe_port: int = Field(9101, validation_alias="SLUICE_WORKER_PROBE_PORT")
    """`/livez`, `/readyz`, `/metrics`; 0 takes any free port."""
    interactive_slots: int = Field(400, gt=0, validation_alias="SLUICE_INTERACTIVE_SLOTS")
    """How many interactive jobs may run here at once. Reserved: batch jobs never take them.

    Of each lane's slots the last eighth is for tenants who want no more than that.
    """
    batch_slots: int = Field(200, gt=0, validation_alias="SLUICE_BATCH_SLOTS")
    """How many batch jobs may run here at once, as above."""
    large_jobs: int = Field(8, gt=0, validation_alias="SLUICE_LARGE_JOBS")
    """How many jobs whose request is too large for a record may be calling a provider at once."""
    tick_seconds: float = Field(0.01, gt=0, le=1, validation_alias="SLUICE_TICK_SECONDS")
    """How long later tokens of a stream may wait for company on their way to Redis; longer while the worker is late."""
    heartbeat_seconds: float = Field(1.0, gt=0, validation_alias="SLUICE_HEARTBEAT_SECONDS")
    """How often a worker tells the others that it lives."""
    dead_after_seconds: float = Field(5.0, gt=0, validation_alias="SLUICE_DEAD_AFTER_SECONDS")
    """A worker unheard for this long is dead, and its jobs are taken by others."""
    session_seconds: float = Field(10.0, gt=0, validation_alias="SLUICE_SESSION_SECONDS")
    """A worker unheard by Kafka for this long loses its partitions; one that is back sooner finds them as they were."""
    on_stop: OnStop = Field(OnStop.LEAVE, validation_alias="SLUICE_ON_STOP")
    """`leave`: others take this worker's partitions when it stops. `stay`: they wait for its restart, one session."""
    drain_seconds: float = Field(20.0, ge=0, validation_alias="SLUICE_DRAIN_SECONDS")
    """How long running jobs may go on after SIGTERM before they are handed over."""

    def worker_id(self) -> str:
        """Unique per boot: a restarted process is another worker."""
        return f"{self.worker_name}-{os.getpid()}-{os.urandom(3).hex()}"
