"""Who may ask, for how much, and who may say so: of configuration and database, for doors and admin API."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from services.ingress.adapters.directory_watch import DirectoryBell, DirectoryWatch
from services.ingress.adapters.postgres_budgets import PostgresBudgetDesk, PostgresBudgets
from services.ingress.adapters.postgres_keys import PostgresKeys
from services.ingress.adapters.postgres_records import KEYS, TEAMS, TENANTS, PostgresRecords
from services.ingress.api.admin.desk import Administrators, Desk
from services.ingress.budget_rules import BudgetRules
from services.ingress.callers import Callers, limits_of
from services.ingress.incidents import Incidents
from services.ingress.keyring import Keyring
from services.ingress.pacing import RateTerms
from services.ingress.settings import IngressSettings
from shared.budgets import rules_of
from shared.clock import utc_now
from shared.config.schema import Config, Tenant

__all__ = ["Directory", "directory_of", "rate_terms"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Directory:
    callers: Callers
    watch: DirectoryWatch
    desk: Desk
    budgets: BudgetRules
    configured: dict[str, Tenant]

    def go_by(self, config: Config) -> None:
        """For whoever comes from now on."""
        _warn_where_nobody_may_ask(config)
        self.callers.go_by(config.tenants)
        self.desk.administrators.go_by(_hashes(config))
        self.budgets.go_by(rules_of(config))
        self.configured.clear()
        self.configured.update(config.tenants)


def directory_of(
    keys_pool: Any,  # noqa: ANN401 - asyncpg has no types
    admin_pool: Any,  # noqa: ANN401
    bell: DirectoryBell,
    incidents: Incidents,
    settings: IngressSettings,
    config: Config,
) -> Directory:
    _warn_where_nobody_may_ask(config)
    keys = PostgresKeys(keys_pool, call_seconds=settings.postgres_seconds)
    keyring = Keyring(offline=timedelta(seconds=settings.keys_offline_seconds))
    seconds = settings.postgres_seconds
    rules = BudgetRules(rules_of(config))
    watch = DirectoryWatch(keys, keyring, PostgresBudgets(keys_pool, call_seconds=seconds), rules, utc_now)

    async def wake() -> None:
        watch.wake()
        await bell.ring()

    admin_keys = PostgresRecords(admin_pool, KEYS, call_seconds=seconds, wake=wake)
    configured = dict(config.tenants)
    desk = Desk(
        administrators=Administrators(_hashes(config)),
        tenants=PostgresRecords(admin_pool, TENANTS, call_seconds=seconds, wake=wake),
        teams=PostgresRecords(admin_pool, TEAMS, call_seconds=seconds, wake=wake),
        keys=admin_keys,
        budgets=PostgresBudgetDesk(admin_pool, admin_keys, call_seconds=seconds, clock=utc_now, wake=wake),
        configured=configured,
        clock=utc_now,
    )
    return Directory(Callers(config.tenants, keys, keyring, incidents, utc_now), watch, desk, rules, configured)


def _warn_where_nobody_may_ask(config: Config) -> None:
    if not config.administrators and not any(tenant.keys for tenant in config.tenants.values()):
        log.warning(
            "configuration_without_keys",
            consequence="only keys made in the database before now are known, and nobody can make another",
            remedy="`sluice keys new NAME` prints a key and what to put into the configuration",
        )


def _hashes(config: Config) -> dict[str, str]:
    return {name: section.hash for name, section in config.administrators.items()}


def rate_terms(config: Config) -> RateTerms:
    return RateTerms(
        models={name: limits_of(model.limits) for name, model in config.models.items()},
        batch_waits=config.limits.batch_above_rate == "wait",
        open_without_redis=config.limits.rates_without_redis == "open",
    )
