"""`/admin/v1/tenants`, and the teams of each."""

from dataclasses import replace
from typing import Annotated

from fastapi import FastAPI, Path, Query

from services.ingress.api.admin.desk import Desk, Who, changed, fields_of, found, making, paged
from services.ingress.api.admin.documents import changes, creates, lists, shows
from services.ingress.api.admin.schemas import (
    NAME,
    NewTeam,
    NewTenant,
    TeamChange,
    TeamList,
    TeamObject,
    TenantChange,
    TenantList,
    TenantObject,
)
from services.ingress.directory import TeamRecord, TenantRecord

__all__ = ["After", "InPath", "Limit", "tenant_routes"]

InPath = Annotated[str, Path(pattern=NAME)]
After = Annotated[str, Query(pattern=f"{NAME}|^$", description="The last name of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000)]


def tenant_routes(app: FastAPI, desk: Desk) -> None:
    @app.get("/admin/v1/tenants", **lists("Tenants"))
    async def list_tenants(limit: Limit = 100, after: After = "") -> TenantList:
        records, more = paged(await desk.tenants.page(None, after=after, limit=limit + 1), limit)
        return TenantList(data=[TenantObject.of(record) for record in records], has_more=more)

    @app.post("/admin/v1/tenants", **creates("Tenant"))
    async def create_tenant(who: Who, asked: NewTenant) -> TenantObject:
        now = desk.clock()
        record = replace(
            TenantRecord(tenant=asked.tenant, created_at=now, changed_at=now),
            **fields_of(asked),  # type: ignore[arg-type]
        )
        with making("tenant", asked.tenant):
            await desk.tenants.create(record, who)
        return TenantObject.of(record)

    @app.get("/admin/v1/tenants/{tenant}", **shows("Tenant"))
    async def get_tenant(tenant: InPath) -> TenantObject:
        return TenantObject.of(await found(desk.tenants, "tenant", tenant))

    @app.patch("/admin/v1/tenants/{tenant}", **changes("Tenant"))
    async def change_tenant(who: Who, tenant: InPath, asked: TenantChange) -> TenantObject:
        def how(record: TenantRecord) -> TenantRecord:
            return replace(record, changed_at=desk.clock(), **fields_of(asked))  # type: ignore[arg-type]

        return TenantObject.of(await changed(desk.tenants, how, who, "tenant", tenant))

    _team_routes(app, desk)


def _team_routes(app: FastAPI, desk: Desk) -> None:
    @app.get("/admin/v1/tenants/{tenant}/teams", **lists("Teams"))
    async def list_teams(tenant: InPath, limit: Limit = 100, after: After = "") -> TeamList:
        await found(desk.tenants, "tenant", tenant)
        records, more = paged(await desk.teams.page(tenant, after=after, limit=limit + 1), limit)
        return TeamList(data=[TeamObject.of(record) for record in records], has_more=more)

    @app.post("/admin/v1/tenants/{tenant}/teams", **creates("Team"))
    async def create_team(who: Who, tenant: InPath, asked: NewTeam) -> TeamObject:
        await found(desk.tenants, "tenant", tenant)
        now = desk.clock()
        record = replace(
            TeamRecord(tenant=tenant, team=asked.team, created_at=now, changed_at=now),
            **fields_of(asked),  # type: ignore[arg-type]
        )
        with making("team", asked.team):
            await desk.teams.create(record, who)
        return TeamObject.of(record)

    @app.get("/admin/v1/tenants/{tenant}/teams/{team}", **shows("Team"))
    async def get_team(tenant: InPath, team: InPath) -> TeamObject:
        return TeamObject.of(await found(desk.teams, "team", tenant, team))

    @app.patch("/admin/v1/tenants/{tenant}/teams/{team}", **changes("Team"))
    async def change_team(who: Who, tenant: InPath, team: InPath, asked: TeamChange) -> TeamObject:
        def how(record: TeamRecord) -> TeamRecord:
            return replace(record, changed_at=desk.clock(), **fields_of(asked))  # type: ignore[arg-type]

        return TeamObject.of(await changed(desk.teams, how, who, "team", tenant, team))
