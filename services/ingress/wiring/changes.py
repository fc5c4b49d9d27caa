"""Who goes by a configuration that has changed, for whatever comes from then on."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.ingress.adapters.redis_log import RedisJobLog
from services.ingress.adapters.redis_reservations import RedisReservations
from services.ingress.api.doors import BodyLimit
from services.ingress.availability import Availability
from services.ingress.incidents import Incidents
from services.ingress.pacing import Pacing
from services.ingress.spending import Spending
from services.ingress.submissions import Submissions
from services.ingress.wiring.budgets import pricing_of
from services.ingress.wiring.directory import Directory, rate_terms
from services.ingress.wiring.models import ServedModels
from services.ingress.wiring.topics import TopicDoor
from shared.config.schema import Config
from shared.config.shares import Shares
from shared.contracts import AuditAction

__all__ = ["Changes", "keys_kept", "logs_kept", "longest_wait", "tell_of"]


@dataclass(frozen=True, slots=True)
class Changes:
    path: Path
    served: ServedModels
    availability: Availability
    shares: Shares
    directory: Directory
    pacing: Pacing
    money: Spending
    submissions: Submissions
    job_log: RedisJobLog
    reservations: RedisReservations
    limit: BodyLimit
    topic_door: TopicDoor
    incidents: Incidents

    async def take(self, fresh: Config) -> None:
        self.served.take(fresh)
        self.availability.take(fresh.models)
        self.shares.go_by(fresh)
        self.directory.go_by(fresh)
        self.pacing.go_by(rate_terms(fresh))
        self.money.go_by(pricing_of(fresh, self.served.known), fresh.budgets)
        self.submissions.go_by(self.served.house_rules(fresh))
        self.job_log.go_by(kept=logs_kept(fresh), longest=longest_wait(fresh))
        self.reservations.kept = keys_kept(fresh)
        self.limit.body_bytes = fresh.limits.body_bytes
        self.topic_door.go_by(fresh)
        tell_of(self.incidents, self.path, fresh)


def logs_kept(config: Config) -> timedelta:
    return timedelta(seconds=config.retention.job_log_seconds)


def keys_kept(config: Config) -> timedelta:
    return timedelta(seconds=config.retention.idempotency_seconds)


def longest_wait(config: Config) -> timedelta:
    """How far a job's deadline may be away."""
    return max(config.job_time.values()) + timedelta(seconds=config.limits.schedule_seconds)


def tell_of(incidents: Incidents, path: Path, config: Config) -> None:
    """It is in the audit log by a digest, in whose making secrets are masked."""
    digest = hashlib.sha256(config.model_dump_json().encode()).hexdigest()
    incidents.happened(AuditAction.CONFIG_LOADED, str(path), sha256=digest)
