"""Alerts are told to everybody who listens; a webhook gets them signed, and holds nobody up."""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.accounting.budgets.alerts import Alerts
from services.accounting.budgets.webhook import WebhookEar
from services.accounting.ports import AwayError
from shared.clock import utc_now
from shared.config.budgets import Webhook as WebhookSection
from shared.contracts import BudgetAlert
from shared.serving import serving

SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes, at least").decode()


def an_alert(percent: int = 80) -> BudgetAlert:
    return BudgetAlert(
        id=f"alert_{percent}",
        tenant="acme",
        budget="month",
        period="2026-11",
        percent=percent,
        limit_nanodollars=100,
        spent_nanodollars=percent,
        hard=True,
        raised_at=datetime(2026, 11, 21, tzinfo=UTC),
    )


@dataclass(slots=True)
class MemoryShelf:
    waiting: list[BudgetAlert] = field(default_factory=list)

    @asynccontextmanager
    async def untold(self) -> AsyncIterator[Sequence[BudgetAlert]]:
        yield list(self.waiting)
        self.waiting.clear()


@dataclass(slots=True)
class ListeningEar:
    heard: list[int] = field(default_factory=list)
    away: bool = False

    async def hear(self, alert: BudgetAlert) -> None:
        if self.away:
            raise AwayError("gone for lunch")
        self.heard.append(alert.percent)


@dataclass(slots=True)
class Receiver:
    """Answers in turn with these statuses, then with 200."""

    statuses: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[tuple[Receiver, WebhookEar]]:
    receiver = Receiver(list(statuses))
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    async with serving(app, host="127.0.0.1", port=0, grace_seconds=1) as port:  # type: ignore[arg-type]
        yield receiver, WebhookEar(f"http://127.0.0.1:{port}/hook", SECRET, utc_now, pause_seconds=0)


async def test_everybody_is_told_once() -> None:
    shelf, ears = MemoryShelf([an_alert(50), an_alert(80)]), [ListeningEar(), ListeningEar()]
    alerts = Alerts(shelf, ears)
    await alerts.tell()
    await alerts.tell()
    assert [ear.heard for ear in ears] == [[50, 80], [50, 80]]


async def test_what_could_not_be_told_stays() -> None:
    shelf, ear = MemoryShelf([an_alert()]), ListeningEar(away=True)
    with pytest.raises(AwayError):
        await Alerts(shelf, [ear]).tell()
    assert len(shelf.waiting) == 1


async def test_a_webhook_gets_what_anybody_with_the_secret_can_verify() -> None:
    async with receiving() as (receiver, ear):
        await ear.hear(an_alert())
    [(headers, body)] = receiver.got
    assert BudgetAlert.model_validate_json(body) == an_alert()
    assert Webhook(SECRET).verify(body, headers)["percent"] == 80
    assert headers["webhook-id"] == "alert_80"


async def test_a_webhook_that_fails_is_tried_again_under_the_same_id() -> None:
    async with receiving(500, 503) as (receiver, ear):
        await ear.hear(an_alert())
    assert [headers["webhook-id"] for headers, _ in receiver.got] == ["alert_80"] * 3


async def test_one_that_never_takes_it_is_given_up() -> None:
    async with receiving(500, 500, 500, 500) as (receiver, ear):
        await ear.hear(an_alert())
    assert len(receiver.got) == 3


async def test_one_that_is_not_there_holds_nobody_up() -> None:
    await WebhookEar("http://127.0.0.1:9/hook", SECRET, utc_now, pause_seconds=0).hear(an_alert())


@pytest.mark.parametrize("secret", ["whsec_c2hvcnQ=", "no base64!", ""])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        WebhookSection.model_validate({"url": "http://a/", "secret": secret})
