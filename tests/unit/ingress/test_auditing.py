"""What goes into the audit log: of changes what changed, of refusals how many, and never a secret."""

from dataclasses import replace

import pytest

from services.ingress.admission import Limits, Reason
from services.ingress.auditing import event_of
from services.ingress.directory import KeyRecord, TeamRecord, TenantRecord
from services.ingress.incidents import Incidents
from services.ingress.keyring import Turned
from services.ingress.ports import UnavailableError
from shared.config import hash_key
from shared.contracts import HOUSE, AuditAction
from tests.suites.asgi import Call
from tests.suites.directory import MemoryAuditLog
from tests.suites.ingress import AUTH, CALLER, NARROW_KEY, NOON, chat_body, memory_ingress

TENANT = TenantRecord(tenant="acme", created_at=NOON, changed_at=NOON)
TEAM = TeamRecord(tenant="acme", team="red", created_at=NOON, changed_at=NOON)
KEY = KeyRecord(key_id="web", tenant="acme", hash=hash_key("x"), created_at=NOON, changed_at=NOON)


@pytest.mark.parametrize(
    ("record", "action", "subject"),
    [
        (TENANT, AuditAction.TENANT_CREATED, "tenant:acme"),
        (TEAM, AuditAction.TEAM_CREATED, "team:red"),
        (KEY, AuditAction.KEY_CREATED, "key:web"),
    ],
)
def test_what_is_new_is_told_as_it_is(
    record: TenantRecord | TeamRecord | KeyRecord, action: AuditAction, subject: str
) -> None:
    event = event_of(None, record, "admin:ops", NOON)
    assert event is not None
    assert (event.tenant, event.action, event.subject, event.actor) == ("acme", action, subject, "admin:ops")
    assert event.details["blocked"] is False
    assert "sha256" not in str(event.details)


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({"note": "x"}, AuditAction.KEY_CHANGED),
        ({"limits": Limits(concurrency=3)}, AuditAction.LIMITS_CHANGED),
        ({"blocked": True}, AuditAction.BLOCKED),
        ({"revoked_at": NOON}, AuditAction.KEY_REVOKED),
        ({"hash": hash_key("y"), "previous_hash": hash_key("x"), "previous_until": NOON}, AuditAction.KEY_ROTATED),
    ],
)
def test_of_a_change_each_field_is_told_before_and_after(fields: dict[str, object], action: AuditAction) -> None:
    after = replace(KEY, **fields)  # type: ignore[arg-type]
    event = event_of(KEY, after, "admin:ops", NOON)
    assert event is not None
    assert event.action is action
    assert event.details.keys() == fields.keys() - {"hash", "previous_hash"}
    assert "sha256" not in str(event.details)
    if "limits" in fields:
        assert event.details["limits"] == [{}, {"concurrency": 3}]


def test_what_does_not_change_is_not_told() -> None:
    assert event_of(KEY, replace(KEY, changed_at=NOON.replace(hour=13)), "admin:ops", NOON) is None


async def test_a_flood_of_refusals_is_one_entry() -> None:
    audit_log = MemoryAuditLog()
    incidents = Incidents(audit_log, "r1", lambda: NOON)
    for _ in range(1000):
        incidents.refused(CALLER, Reason.ABOVE_RATE)
        incidents.turned_away("guessed", Turned.UNKNOWN)
        incidents.refused(CALLER, Reason.MALFORMED_JSON)
    await incidents.tell()
    told = {(each.tenant, each.action, each.subject): each.details for each in audit_log.events}
    assert told == {
        ("acme", AuditAction.REFUSED, "key:web"): {"reason": "rate_limit_exceeded", "count": 1000},
        (HOUSE, AuditAction.TURNED_AWAY, ""): {"reason": "unknown", "count": 1000},
    }
    await incidents.tell()
    assert len(audit_log.events) == 2


async def test_what_cannot_be_written_is_counted_on() -> None:
    audit_log = MemoryAuditLog(away=True)
    incidents = Incidents(audit_log, "r1", lambda: NOON)
    incidents.happened(AuditAction.CONFIG_LOADED, "sluice.yaml", sha256="0")
    for _ in range(2):
        incidents.refused(CALLER, Reason.ABOVE_RATE)
        with pytest.raises(UnavailableError):
            await incidents.tell()
    audit_log.away = False
    await incidents.tell()
    assert [each.action for each in audit_log.events] == [AuditAction.CONFIG_LOADED, AuditAction.REFUSED]
    assert audit_log.events[1].details["count"] == 2


async def test_what_is_counted_while_nobody_can_write_is_bounded() -> None:
    audit_log = MemoryAuditLog(away=True)
    incidents = Incidents(audit_log, "r1", lambda: NOON)
    for number in range(5000):
        incidents.refused(replace(CALLER, key_id=str(number)), Reason.ABOVE_RATE)
    audit_log.away = False
    await incidents.tell()
    assert len(audit_log.events) == 1001
    assert sum(int(str(each.details["count"])) for each in audit_log.events) == 5000


@pytest.mark.parametrize(
    ("headers", "action"),
    [
        ({"authorization": f"Bearer {NARROW_KEY}"}, AuditAction.REFUSED),
        ({"authorization": "Bearer slk_web_" + "f" * 64}, AuditAction.TURNED_AWAY),
    ],
)
async def test_what_the_door_refuses_is_noted(headers: dict[str, str], action: AuditAction) -> None:
    ingress = memory_ingress()
    for sent in (headers, AUTH):
        async with Call(ingress.app, "POST", "/v1/jobs", sent, chat_body()) as call:
            await call.ended()
    await ingress.incidents.tell()
    assert [each.action for each in ingress.audit_log.events] == [action]
