"""Who may ask, and who may say so: the keys of configuration and database, for the doors and for the admin API."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.ingress.adapters.directory_watch import DirectoryBell, DirectoryWatch
from services.ingress.adapters.postgres_keys import PostgresKeys
from services.ingress.adapters.postgres_records import KEYS, TEAMS, TENANTS, PostgresRecords
from services.ingress.api.admin.desk import Administrators, Desk
from services.ingress.callers import Callers, limits_of
from services.ingress.incidents import Incidents
from services.ingress.keyring import Keyring
from services.ingress.pacing import RateTerms
from services.ingress.settings import IngressSettings
from shared.clock import utc_now
from shared.config.schema import Config, Tenant

__all__ = ["Directory", "directory_of", "rate_terms"]


@dataclass(frozen=True, slots=True)
class Directory:
    callers: Callers
    watch: DirectoryWatch
    desk: Desk
    configured_keys: set[str]

    def go_by(self, config: Config) -> None:
        """For whoever comes from now on."""
        self.callers.go_by(config.tenants)
        self.desk.administrators.go_by(_hashes(config))
        self.configured_keys.clear()
        self.configured_keys.update(_ids(config.tenants))


def directory_of(
    keys_pool: Any,  # noqa: ANN401 - asyncpg has no types
    admin_pool: Any,  # noqa: ANN401
    bell: DirectoryBell,
    incidents: Incidents,
    settings: IngressSettings,
    config: Config,
) -> Directory:
    keys = PostgresKeys(keys_pool, call_seconds=settings.postgres_seconds)
    keyring = Keyring(offline=timedelta(seconds=settings.keys_offline_seconds))
    watch = DirectoryWatch(keys, keyring, utc_now)

    async def wake() -> None:
        watch.wake()
        await bell.ring()

    seconds = settings.postgres_seconds
    configured_keys = set(_ids(config.tenants))
    desk = Desk(
        administrators=Administrators(_hashes(config)),
        tenants=PostgresRecords(admin_pool, TENANTS, call_seconds=seconds, wake=wake),
        teams=PostgresRecords(admin_pool, TEAMS, call_seconds=seconds, wake=wake),
        keys=PostgresRecords(admin_pool, KEYS, call_seconds=seconds, wake=wake),
        configured_keys=configured_keys,
        clock=utc_now,
    )
    return Directory(Callers(config.tenants, keys, keyring, incidents, utc_now), watch, desk, configured_keys)


def _hashes(config: Config) -> dict[str, str]:
    return {name: section.hash for name, section in config.administrators.items()}


def _ids(tenants: Mapping[str, Tenant]) -> Iterator[str]:
    return (key_id for tenant in tenants.values() for key_id in tenant.keys)


def rate_terms(config: Config) -> RateTerms:
    return RateTerms(
        models={name: limits_of(model.limits) for name, model in config.models.items()},
        batch_waits=config.limits.batch_above_rate == "wait",
        open_without_redis=config.limits.rates_without_redis == "open",
    )
