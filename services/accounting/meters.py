"""How is recording measured? Puts what happened on the instruments of the table of metrics.

What lacks a price is told in the log, too, now and then: it is money that nobody sees until somebody sets a price.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.accounting.ports import Added, Spent
from shared.clock import Clock, unix_ms
from shared.contracts import DeadLetter
from shared.money import dollars
from shared.telemetry.instruments import Instruments
from shared.telemetry.metrics import (
    CHARGED,
    DEAD_LETTERS,
    LEDGER_LAG,
    LEDGER_ROWS,
    LEDGER_SECONDS,
    UNPRICED,
    UNPRICED_TOKENS,
    Count,
)

__all__ = ["InstrumentedMeter"]

log = structlog.get_logger("accounting")

_REMINDED_AFTER: Final = timedelta(hours=1)


class InstrumentedMeter:
    """The port `Meter`."""

    def __init__(self, instruments: Instruments, events: Count, topic: str, clock: Clock) -> None:
        self._new = instruments.counter(events).labels("new")
        self._known = instruments.counter(events).labels("known")
        self._seconds = instruments.histogram(LEDGER_SECONDS).labels(topic)
        self._rows = instruments.histogram(LEDGER_ROWS).labels(topic)
        self._lag = instruments.gauge(LEDGER_LAG).labels(topic)
        self._charged = instruments.counter(CHARGED)
        self._unpriced = instruments.counter(UNPRICED)
        self._unpriced_tokens = instruments.counter(UNPRICED_TOKENS)
        self._dead_letters = instruments.counter(DEAD_LETTERS)
        self._clock = clock
        self._reminded: dict[tuple[str, str], datetime] = {}

    def kept(self, messages: int, added: Added, seconds: float) -> None:
        self._new.inc(added.rows)
        self._known.inc(messages - added.rows)
        self._seconds.observe(seconds)
        self._rows.observe(messages)
        for spent in added.spent:
            self._charged.labels(spent.provider, spent.deployment).inc(float(dollars(spent.cost)))
            self._unpriced.labels(spent.provider, spent.deployment).inc(spent.unpriced_attempts)
            self._unpriced_tokens.labels(spent.provider, spent.deployment).inc(spent.unpriced_tokens)
            if spent.unpriced_attempts:
                self._remind(spent)

    def buried(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self._dead_letters.labels(letter.topic, letter.reason).inc()

    def caught_up_to(self, unix_ms_of_record: int) -> None:
        self._lag.set((unix_ms(self._clock()) - unix_ms_of_record) / 1000)

    def _remind(self, spent: Spent) -> None:
        place, now = (spent.provider, spent.deployment), self._clock()
        if place in self._reminded and now - self._reminded[place] < _REMINDED_AFTER:
            return
        self._reminded[place] = now
        log.warning(
            "price_unknown",
            provider=spent.provider,
            deployment=spent.deployment,
            attempts=spent.unpriced_attempts,
            tokens=spent.unpriced_tokens,
            then="set it under `prices` in sluice.yaml, and run `sluice usage reprice`",
        )
