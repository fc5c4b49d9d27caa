"""What goes into the ledger for an attempt? A flat row: the event's facts, and what it cost by which prices.

It is made in one go from one event and nothing of the event is kept: tens of thousands a second pass through here, and
a batch of rows stays in the processor's cache where a batch of events does not.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Final, NamedTuple

from pydantic_core import to_json

from services.accounting.charging.fields import AttemptFields
from shared.contracts import AttemptRole, AttemptStatus
from shared.ids import JobId, job_unix_ms
from shared.money import Nanodollars
from shared.prices.cost import cost, saved_by_cache
from shared.prices.quotes import PriceBook

__all__ = ["Entry", "enter"]


class Entry(NamedTuple):
    """The fields are the ledger's columns and are explained there."""

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
    provider_key: str | None
    deployment: str
    upstream_model: str
    region: str | None
    service_tier: str | None
    status: str
    usage_source: str
    provider_cost_nanodollars: int | None
    finish_reason: str | None
    error_kind: str | None
    uncached_input_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int
    keyed_at: float
    """This and the next four are Unix time in seconds."""
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
    cache_saved_nanodollars: Nanodollars | None
    price_version: str


_AS_IT_IS: Final = Entry._fields[: Entry._fields.index("uncached_input_tokens")]
_copied = attrgetter(*("user" if column == "end_user" else column for column in _AS_IT_IS))
_counts = attrgetter("uncached_input", "cache_write", "cache_read", "output", "reasoning")

_SUCCEEDED: Final = AttemptStatus.SUCCEEDED
_BY_USE: Final = "charge"


def enter(event: AttemptFields, book: PriceBook, partial_answers: Mapping[str, str] | None = None) -> Entry:
    """Prices are looked up by the id the provider was asked for and the moment in which the call was made.

    `partial_answers` is what each tenant pays of a call that did not succeed, where that is not what it used.
    """
    usage, units, tags, first_token_at = event.usage, event.units, event.tags, event.first_token_at
    quote = book.quote(event.provider, event.upstream_model, event.started_at, event.service_tier)
    return Entry._make(
        (
            *_copied(event),
            *_counts(usage),
            job_unix_ms(JobId(event.job_id)) / 1000,
            event.accepted_at.timestamp(),
            event.started_at.timestamp(),
            None if first_token_at is None else first_token_at.timestamp(),
            event.ended_at.timestamp(),
            to_json(tags).decode() if tags else "{}",
            to_json(units).decode() if units else "{}",
            event.role or (AttemptRole.FIRST if event.attempt == 1 else None),
            "whole" if event.status is _SUCCEEDED else (partial_answers or {}).get(event.tenant, _BY_USE),
            cost(usage, quote.prices, units),
            saved_by_cache(usage, quote.prices, units),
            quote.version,
        )
    )
