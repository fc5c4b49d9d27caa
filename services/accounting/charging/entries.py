"""What goes into the ledger for an attempt? A flat row: the event's facts, and what it cost by which prices.

It is made in one go from one event and nothing of the event is kept: tens of thousands a second pass through here, and
a batch of rows stays in the processor's cache where a batch of events does not.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Final, NamedTuple

from pydantic_core import to_json

from shared.contracts import AttemptFinished, AttemptRole, AttemptStatus
from shared.ids import JobId, job_unix_ms
from shared.money import Nanodollars
from shared.prices.cost import cost
from shared.prices.quotes import PriceBook

__all__ = ["Entry", "enter"]


class Entry(NamedTuple):
    """The fields are the ledger's columns and are explained there. Moments are Unix time in seconds."""

    job_id: str
    attempt: int
    epoch: int
    tenant: str
    team: str | None
    caller: str
    end_user: str | None
    feature: str | None
    lane: str
    model_asked: str
    model_served: str | None
    provider: str
    deployment: str
    upstream_model: str
    region: str | None
    service_tier: str | None
    status: str
    uncached_input_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_source: str
    provider_cost_nanodollars: int | None
    finish_reason: str | None
    error_kind: str | None
    keyed_at: float
    accepted_at: float
    started_at: float
    first_token_at: float | None
    ended_at: float
    tags: str
    """JSON."""
    units: str
    """JSON."""
    role: str | None
    billing: str
    cost_nanodollars: Nanodollars | None
    """None: no price is known. It must never be taken for zero."""
    price_version: str


_FIELD_OF: Final = {
    "end_user": "user",
    "uncached_input_tokens": "usage.uncached_input",
    "cache_write_tokens": "usage.cache_write",
    "cache_read_tokens": "usage.cache_read",
    "output_tokens": "usage.output",
    "reasoning_tokens": "usage.reasoning",
}
"""Where the event says it otherwise than the ledger."""

_AS_IT_IS: Final = Entry._fields[: Entry._fields.index("keyed_at")]
_copied = attrgetter(*(_FIELD_OF.get(column, column) for column in _AS_IT_IS))


_SUCCEEDED: Final = AttemptStatus.SUCCEEDED
_BY_USE: Final = "charge"


def enter(event: AttemptFinished, book: PriceBook, partial_answers: Mapping[str, str] | None = None) -> Entry:
    """Prices are looked up by the id the provider was asked for and the moment the call was made.

    `partial_answers` is what each tenant pays of a call that did not succeed, where that is not what it used.
    """
    quote = book.quote(event.provider, event.upstream_model, event.started_at, event.service_tier)
    return Entry._make(
        (
            *_copied(event),
            job_unix_ms(JobId(event.job_id)) / 1000,
            event.accepted_at.timestamp(),
            event.started_at.timestamp(),
            event.first_token_at.timestamp() if event.first_token_at else None,
            event.ended_at.timestamp(),
            to_json(event.tags).decode() if event.tags else "{}",
            to_json(event.units).decode() if event.units else "{}",
            event.role or (AttemptRole.FIRST if event.attempt == 1 else None),
            "whole" if event.status is _SUCCEEDED else (partial_answers or {}).get(event.tenant, _BY_USE),
            cost(event.usage, quote.prices, event.units),
            quote.version,
        )
    )
