"""What goes into the ledger for an attempt? A flat row: the event's facts, and what it cost by which prices.

It is made in one go from one event and nothing of the event is kept: tens of thousands a second pass through here, and
a batch of rows stays in the processor's cache where a batch of events does not.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Final, NamedTuple

from pydantic_core import to_json

from services.accounting.charging.fields import AttemptFields, minute_of
from shared.contracts import AttemptRole, AttemptStatus
from shared.ids import JobId, job_unix_ms
from shared.money import Nanodollars
from shared.prices.cost import cost
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
    accepted_at: str
    """This moment and the next three are text as the event has it."""
    started_at: str
    first_token_at: str | None
    ended_at: str
    uncached_input_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int
    keyed_at: float
    """Unix time in seconds."""
    tags: str
    """JSON."""
    units: str
    """JSON."""
    role: str | None
    billing: str
    cost_nanodollars: Nanodollars | None
    """None: no price is known. It must never be taken for zero."""
    price_version: str


class _Counted(NamedTuple):
    """`shared.prices.cost.Counted`, which a tuple is made for sooner than a model."""

    uncached_input: int
    cache_write: int
    cache_read: int
    output: int
    reasoning: int


_AS_IT_IS: Final = Entry._fields[: Entry._fields.index("uncached_input_tokens")]
_UNSAID: Final = dict.fromkeys(
    name for name, kind in AttemptFields.__annotations__.items() if name in AttemptFields.__optional_keys__
)
_copied = itemgetter(*("user" if column == "end_user" else column for column in _AS_IT_IS))
_NOTHING: Final = dict.fromkeys(_Counted._fields, 0)
_counts = itemgetter(*_Counted._fields)

_SUCCEEDED: Final = AttemptStatus.SUCCEEDED
_BY_USE: Final = "charge"


def enter(event: AttemptFields, book: PriceBook, partial_answers: Mapping[str, str] | None = None) -> Entry:
    """Prices are looked up by the id the provider was asked for and the minute in which the call was made.

    `partial_answers` is what each tenant pays of a call that did not succeed, where that is not what it used.
    """
    usage = _Counted._make(_counts(_NOTHING | event["usage"]))
    units, tags = event.get("units"), event.get("tags")
    quote = book.quote(
        event["provider"], event["upstream_model"], minute_of(event["started_at"]), event.get("service_tier")
    )
    return Entry._make(
        (
            *_copied(_UNSAID | event),
            *usage,
            job_unix_ms(JobId(event["job_id"])) / 1000,
            to_json(tags).decode() if tags else "{}",
            to_json(units).decode() if units else "{}",
            event.get("role") or (AttemptRole.FIRST if event["attempt"] == 1 else None),
            "whole" if event["status"] is _SUCCEEDED else (partial_answers or {}).get(event["tenant"], _BY_USE),
            cost(usage, quote.prices, units),
            quote.version,
        )
    )
