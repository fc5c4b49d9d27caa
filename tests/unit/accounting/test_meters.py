"""What lacks a price is counted each time, and told now and then."""

from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from services.accounting.meters import InstrumentedMeter
from services.accounting.ports import Added, Spent
from shared.money import Nanodollars
from shared.telemetry.instruments import Instruments
from shared.telemetry.metrics import UNPRICED_TOKENS, USAGE_EVENTS


class Watch:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def without_a_price(deployment: str, tokens: int) -> Added:
    return Added(1, (Spent("lab", deployment, Nanodollars(0), unpriced_attempts=1, unpriced_tokens=tokens),))


def told(logs: list[dict[str, object]]) -> list[object]:
    return [entry["deployment"] for entry in logs if entry["event"] == "price_unknown"]


def test_a_deployment_without_a_price_is_told_once_an_hour_and_counted_always() -> None:
    instruments, watch = Instruments("test"), Watch()
    meter = InstrumentedMeter(instruments, USAGE_EVENTS, "usage", watch)
    with capture_logs() as logs:
        for deployment in ("a", "a", "b"):
            meter.kept(1, without_a_price(deployment, 7), 0.1)
        watch.now += timedelta(hours=1)
        meter.kept(1, without_a_price("a", 7), 0.1)
    assert told(logs) == ["a", "b", "a"]
    labels = {"provider": "lab", "deployment": "a"}
    assert instruments.registry.get_sample_value(UNPRICED_TOKENS.name, labels) == 21


def test_what_has_a_price_is_not_worth_a_word() -> None:
    meter = InstrumentedMeter(Instruments("test"), USAGE_EVENTS, "usage", Watch())
    with capture_logs() as logs:
        meter.kept(1, Added(1, (Spent("lab", "a", Nanodollars(5), 0, 0),)), 0.1)
    assert told(logs) == []
