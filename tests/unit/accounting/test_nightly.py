"""The books are audited once a day, by one process, and what was missed is caught up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import generate_latest

from services.accounting.auditing.comparing import Audit, Span
from services.accounting.auditing.nightly import Nightly, last_due, span_of
from services.accounting.auditing.opening import Auditor
from services.accounting.ledger.agreement import Difference
from services.accounting.ports import AuditDone, AwayError, LastAudit
from shared.telemetry import Instruments

EVENING = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
WRONG = Difference("usage_ledger, usage_hourly", "acme: attempts", "2", "3")


@dataclass(slots=True)
class Shelf:
    done: list[AuditDone] = field(default_factory=list)

    async def last(self) -> LastAudit | None:
        if not self.done:
            return None
        last = self.done[-1]
        return LastAudit(last.begun_at, last.ended_at, last.until, len(last.found))

    async def keep(self, done: AuditDone) -> None:
        self.done.append(done)


@dataclass(slots=True)
class Stage:
    shelf: Shelf = field(default_factory=Shelf)
    instruments: Instruments = field(default_factory=lambda: Instruments("accounting"))
    now: datetime = EVENING
    spans: list[Span] = field(default_factory=list)
    found: tuple[Difference, ...] = ()
    is_alone: bool = True
    is_away: bool = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Auditor | None]:
        if self.is_away:
            raise AwayError("gone for lunch")
        yield self.audit if self.is_alone else None

    async def audit(self, span: Span) -> Audit:
        self.spans.append(span)
        return Audit(span, 5, 4, 0, reaches_back=True, differences=self.found)

    def nightly(self, at: str | None = "03:15") -> Nightly:
        return Nightly(self.shelf, self.open, at, self.instruments, lambda: self.now)

    @property
    def metrics(self) -> str:
        return generate_latest(self.instruments.registry).decode()


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_nothing_is_audited_before_its_time(stage: Stage) -> None:
    nightly = stage.nightly()
    await nightly.look()
    stage.now += timedelta(hours=4, minutes=44)
    await nightly.look()
    assert stage.spans == []
    assert "\nsluice_audit_ended_timestamp_seconds" not in stage.metrics


async def test_it_is_audited_once_a_day(stage: Stage) -> None:
    nightly = stage.nightly()
    for _ in range(3 * 24 * 4):
        await nightly.look()
        stage.now += timedelta(minutes=15)
    assert [done.begun_at.isoformat()[:16] for done in stage.shelf.done] == [
        "2026-11-22T03:15",
        "2026-11-23T03:15",
        "2026-11-24T03:15",
    ]


async def test_a_night_that_was_missed_is_caught_up(stage: Stage) -> None:
    await stage.shelf.keep(AuditDone(*[EVENING - timedelta(days=2)] * 4, 0, 0, 0, reaches_back=True, found=()))
    await stage.nightly().look()
    assert stage.spans == [Span(datetime(2026, 11, 19, 22, 30, tzinfo=UTC), datetime(2026, 11, 21, 22, tzinfo=UTC))]


async def test_who_does_not_get_the_lock_leaves_it_to_who_has_it(stage: Stage) -> None:
    nightly = stage.nightly()
    stage.now += timedelta(days=1)
    stage.is_alone = False
    await nightly.look()
    assert stage.spans == []
    stage.is_alone = True
    await nightly.look()
    assert len(stage.spans) == 1


async def test_what_another_process_has_done_meanwhile_is_not_done_again(stage: Stage) -> None:
    other = Stage(stage.shelf)
    nightly, others = stage.nightly(), other.nightly()
    stage.now = other.now = EVENING + timedelta(days=1)
    await others.look()
    await nightly.look()
    assert (len(other.spans), len(stage.spans)) == (1, 0)


async def test_what_could_not_be_audited_stays_due(stage: Stage) -> None:
    nightly = stage.nightly()
    stage.now += timedelta(days=1)
    stage.is_away = True
    with pytest.raises(AwayError):
        await nightly.look()
    stage.is_away = False
    await nightly.look()
    assert len(stage.shelf.done) == 1


async def test_switched_off_it_never_begins(stage: Stage) -> None:
    nightly = stage.nightly(at=None)
    stage.now += timedelta(days=9)
    await nightly.look()
    assert stage.spans == []
    nightly.at = "03:15"
    await nightly.look()
    assert len(stage.spans) == 1


async def test_every_process_tells_of_the_last_audit(stage: Stage) -> None:
    auditing, other = stage.nightly(), Stage(stage.shelf, now=EVENING + timedelta(days=1))
    stage.now += timedelta(days=1)
    stage.found = (WRONG, WRONG)
    await auditing.look()
    await other.nightly().look()
    for each in (stage, other):
        assert "sluice_audit_differences 2.0" in each.metrics
    assert 'sluice_audits_total{outcome="differing"} 1.0' in stage.metrics
    assert stage.shelf.done[-1].found[0] == ("usage_ledger, usage_hourly", "acme: attempts", "2", "3")


def test_the_time_of_the_day_is_that_of_utc() -> None:
    assert last_due(datetime(2026, 11, 22, 3, 15, tzinfo=UTC), "03:15") == datetime(2026, 11, 22, 3, 15, tzinfo=UTC)
    assert last_due(datetime(2026, 11, 22, 3, 14, tzinfo=UTC), "03:15") == datetime(2026, 11, 21, 3, 15, tzinfo=UTC)


def test_after_a_long_absence_no_more_than_three_days_are_audited() -> None:
    long_ago = EVENING - timedelta(days=40)
    span = span_of(EVENING, LastAudit(long_ago, long_ago, long_ago, 0))
    assert span.until - span.since == timedelta(hours=73)
    usual = span_of(EVENING, LastAudit(*[EVENING - timedelta(hours=20)] * 3, 0))
    assert usual.until - usual.since == timedelta(hours=25)
