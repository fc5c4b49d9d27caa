"""`/admin/v1/keys`: made, shown once, changed, rotated, revoked."""

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from fastapi import FastAPI, Query

from services.ingress.api.admin.desk import Desk, Who, changed, fields_of, found, making, paged
from services.ingress.api.admin.documents import acts, changes, creates, lists, shows
from services.ingress.api.admin.schemas import NAME, KeyChange, KeyList, KeyMade, KeyObject, NewKey, Rotation
from services.ingress.api.admin.tenants import After, InPath, Limit
from services.ingress.api.problems import ProblemError, key_is_revoked, name_taken
from services.ingress.directory import KeyRecord
from shared.config import hash_key, new_key
from shared.config.budgets import Budget

__all__ = ["key_routes"]

OfTenant = Annotated[str | None, Query(pattern=NAME, description="Only this tenant's.")]

_MADE_UP_BYTES = 6


def key_routes(app: FastAPI, desk: Desk) -> None:
    @app.get("/admin/v1/keys", **lists("Keys"))
    async def list_keys(tenant: OfTenant = None, limit: Limit = 100, after: After = "") -> KeyList:
        records, more = paged(await desk.keys.page(tenant, after=after, limit=limit + 1), limit)
        return KeyList(data=[KeyObject.of(record) for record in records], has_more=more)

    @app.post("/admin/v1/keys", **creates("Key"))
    async def create_key(who: Who, asked: NewKey) -> KeyMade:
        key_id, now = asked.id or secrets.token_hex(_MADE_UP_BYTES), desk.clock()
        if desk.is_configured(key_id):
            raise ProblemError(name_taken("key", key_id))
        key = new_key(key_id)
        said = fields_of(asked, "team", "expires_at")
        for field in ("id", "budget"):
            said.pop(field, None)
        record = replace(
            KeyRecord(key_id=key_id, tenant=asked.tenant, hash=hash_key(key), created_at=now, changed_at=now),
            **said,  # type: ignore[arg-type]
        )
        with making("key", key_id):
            if asked.budget is None:
                await desk.keys.create(record, who)
            else:
                await desk.budgets.create_key(record, Budget(key=key_id, **asked.budget.model_dump()), who)
        return KeyMade.with_key(record, key)

    _changing_routes(app, desk)


def _changing_routes(app: FastAPI, desk: Desk) -> None:
    @app.get("/admin/v1/keys/{key_id}", **shows("Key"))
    async def get_key(key_id: InPath) -> KeyObject:
        return KeyObject.of(await found(desk.keys, "key", key_id))

    @app.patch("/admin/v1/keys/{key_id}", **changes("Key"))
    async def change_key(who: Who, key_id: InPath, asked: KeyChange) -> KeyObject:
        def how(record: KeyRecord) -> KeyRecord:
            return replace(record, changed_at=desk.clock(), **fields_of(asked, "expires_at"))  # type: ignore[arg-type]

        return KeyObject.of(await changed(desk.keys, how, who, "key", key_id))

    @app.post("/admin/v1/keys/{key_id}/rotate", **acts("rotateKey", "Give a key another secret"))
    async def rotate_key(who: Who, key_id: InPath, asked: Rotation) -> KeyMade:
        key = new_key(key_id)

        def how(record: KeyRecord) -> KeyRecord:
            if record.revoked_at is not None:
                raise ProblemError(key_is_revoked(key_id))
            now = desk.clock()
            return replace(
                record,
                hash=hash_key(key),
                previous_hash=record.hash,
                previous_until=now + timedelta(seconds=asked.overlap_seconds),
                changed_at=now,
            )

        return KeyMade.with_key(await changed(desk.keys, how, who, "key", key_id), key)

    @app.post("/admin/v1/keys/{key_id}/revoke", **acts("revokeKey", "Revoke a key, for ever"))
    async def revoke_key(who: Who, key_id: InPath) -> KeyObject:
        def how(record: KeyRecord) -> KeyRecord:
            if record.revoked_at is not None:
                return record
            now = desk.clock()
            return replace(record, revoked_at=now, changed_at=now)

        return KeyObject.of(await changed(desk.keys, how, who, "key", key_id))
