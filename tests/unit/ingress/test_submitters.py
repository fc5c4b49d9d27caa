"""Who submits a record of a topic that takes signed ones: whoever has signed exactly this, a moment ago."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.admission import Reason, Refused
from services.ingress.callers import Callers
from services.ingress.directory import KeyRecord, TenantRecord
from services.ingress.incidents import Incidents
from services.ingress.keyring import Keyring
from services.ingress.ports import UnavailableError
from services.ingress.submitters import Binding, Signed, Submitter, Submitters
from shared.clock import unix_ms
from shared.config import hash_key, new_key
from shared.contracts import HOUSE, Lane
from shared.signing import SIGNATURE, SIGNED_AT, SIGNED_BY, SIGNED_ID, signature, signing_secret
from tests.suites.directory import MemoryAuditLog, MemoryDirectory
from tests.suites.ingress import CALLER, KEY, NOON, TENANTS

TOPIC, BODY = "sluice.submit.v1", b'{"model": "gpt-4o"}'
HOUR = timedelta(hours=1)


def headers(
    key: str = KEY, topic: str = TOPIC, body: bytes = BODY, at_ms: int = unix_ms(NOON), **changed: str
) -> dict[str, str]:
    made = signature(signing_secret(hash_key(key)), at_ms=at_ms, topic=topic, record_id="r-1", body=body)
    sent = {SIGNED_BY: key.split("_")[1], SIGNED_AT: str(at_ms), SIGNED_ID: "r-1", SIGNATURE: made}
    return sent | {name.replace("_", "-"): text for name, text in changed.items()}


class World:
    def __init__(self) -> None:
        self.now = NOON
        self.directory, self.audit_log = MemoryDirectory(), MemoryAuditLog()
        self.keyring = Keyring(offline=HOUR)
        self.keyring.told_anew(NOON)
        self.incidents = Incidents(self.audit_log, "r1", lambda: self.now)
        callers = Callers(TENANTS, self.directory, self.keyring, self.incidents, lambda: self.now)
        bindings = {TOPIC: Binding(None, Lane.BATCH), "bound": Binding(CALLER, Lane.BATCH)}
        self.submitters = Submitters(bindings, callers, self.incidents, counts_for=HOUR, clock=lambda: self.now)

    async def of(self, sent: dict[str, str], body: bytes = BODY) -> Submitter | Refused:
        return await self.submitters.of(TOPIC, sent, body)

    async def key(self, **fields: object) -> str:
        key = new_key("db")
        await self.directory.tenants.create(TenantRecord(tenant="globex", created_at=NOON, changed_at=NOON), "me")
        record = KeyRecord(key_id="db", tenant="globex", hash=hash_key(key), created_at=NOON, changed_at=NOON)
        await self.directory.keys.create(replace(record, **fields), "me")  # type: ignore[arg-type]
        return key


@pytest.fixture
def world() -> World:
    return World()


async def test_a_record_is_its_signers_whether_the_key_is_of_the_file_or_of_the_database(world: World) -> None:
    found = await world.of(headers())
    assert isinstance(found, Submitter)
    assert (found.caller.tenant, found.caller.key_id, found.lane) == ("acme", "web", Lane.BATCH)
    assert found.signed == Signed(unix_ms(NOON), "r-1")
    key = await world.key()
    for _ in range(2):
        found = await world.of(headers(key))
        assert isinstance(found, Submitter)
        assert found.caller.tenant == "globex"
    assert world.directory.asked == ["db"]


async def test_a_topic_that_is_bound_asks_for_no_signature(world: World) -> None:
    found = await world.submitters.of("bound", {}, BODY)
    assert found == Submitter(CALLER, Lane.BATCH)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        headers(new_key("web")),
        headers(new_key("nobody")),
        headers(topic="another"),
        headers(body=BODY + b" "),
        headers(sluice_signed_id="r-2"),
        headers(sluice_signed_at=str(unix_ms(NOON) + 1)),
        headers(sluice_signed_by="rival"),
        headers(sluice_signature=""),
        headers(sluice_signature="é"),
        headers(sluice_signed_at="now"),
        headers(sluice_signed_id="two\nlines"),
        {name: text for name, text in headers().items() if name != SIGNED_ID},
    ],
)
async def test_what_is_not_signed_exactly_so_is_refused(world: World, sent: dict[str, str]) -> None:
    found = await world.of(sent)
    assert isinstance(found, Refused)
    assert found.reason is Reason.INVALID_SIGNATURE


@pytest.mark.parametrize(
    ("age", "counts"),
    [
        (timedelta(), True),
        (HOUR, True),
        (HOUR + timedelta(milliseconds=1), False),
        (-timedelta(minutes=5), True),
        (-timedelta(minutes=6), False),
    ],
)
async def test_a_signature_counts_for_its_time_and_no_longer(world: World, age: timedelta, counts: bool) -> None:
    found = await world.of(headers(at_ms=unix_ms(NOON - age)))
    assert isinstance(found, Submitter) is counts


@pytest.mark.parametrize(
    "fields", [{"revoked_at": NOON}, {"blocked": True}, {"expires_at": NOON}], ids=["revoked", "blocked", "expired"]
)
async def test_a_key_that_is_refused_at_the_door_signs_nothing(world: World, fields: dict[str, object]) -> None:
    key = await world.key(**fields)
    assert isinstance(await world.of(headers(key)), Refused)
    await world.incidents.tell()
    assert [(each.tenant, each.subject) for each in world.audit_log.events] == [(HOUSE, "key:db")]


async def test_a_rotated_key_signs_for_its_overlap(world: World) -> None:
    old = new_key("db")
    new = await world.key(previous_hash=hash_key(old), previous_until=NOON + HOUR)
    assert isinstance(await world.of(headers(new)), Submitter)
    assert isinstance(await world.of(headers(old)), Submitter)
    world.now = NOON + HOUR
    assert isinstance(await world.of(headers(new)), Submitter)
    assert isinstance(await world.of(headers(old)), Refused)


async def test_without_the_database_a_record_waits_unless_its_key_is_known(world: World) -> None:
    key = await world.key()
    world.directory.away = True
    with pytest.raises(UnavailableError):
        await world.of(headers(key))
    assert isinstance(await world.of(headers()), Submitter)


@given(st.binary(max_size=40), st.binary(max_size=40), st.text("ab", max_size=3))
def test_no_two_records_are_signed_alike(body: bytes, other: bytes, record_id: str) -> None:
    secret = signing_secret(hash_key(KEY))
    first = signature(secret, at_ms=1, topic="t", record_id=record_id, body=body)
    second = signature(secret, at_ms=1, topic="t", record_id=record_id, body=other)
    assert (first == second) is (body == other)
    assert first != signature(secret, at_ms=11, topic="t", record_id=record_id, body=body)


async def test_a_key_that_nobody_has_is_refused_in_the_words_of_a_wrong_signature(world: World) -> None:
    """Also to whoever knows what is compared with when there is nothing to compare with."""
    made = signature(signing_secret(""), at_ms=unix_ms(NOON), topic=TOPIC, record_id="r-1", body=BODY)
    nobodys = await world.of(headers(sluice_signed_by="nobody", sluice_signature=made))
    wrong = await world.of(headers(sluice_signature="0" * 64))
    assert isinstance(nobodys, Refused)
    assert nobodys == wrong
