"""Which column of the ledger is made of what? One tuple per attempt, in the order of `COLUMNS`."""

from operator import attrgetter
from typing import Final

from pydantic_core import to_json

from services.accounting.charging import Entry
from shared.ids import JobId, job_unix_ms

__all__ = ["COLUMNS", "row_of"]

_COPIED: Final = {
    "job_id": "job_id",
    "attempt": "attempt",
    "epoch": "epoch",
    "tenant": "tenant",
    "caller": "caller",
    "end_user": "user",
    "feature": "feature",
    "lane": "lane",
    "model_asked": "model_asked",
    "model_served": "model_served",
    "provider": "provider",
    "deployment": "deployment",
    "upstream_model": "upstream_model",
    "region": "region",
    "status": "status",
    "uncached_input_tokens": "usage.uncached_input",
    "cache_write_tokens": "usage.cache_write",
    "cache_read_tokens": "usage.cache_read",
    "output_tokens": "usage.output",
    "reasoning_tokens": "usage.reasoning",
    "usage_source": "usage_source",
    "provider_cost_nanodollars": "provider_cost_nanodollars",
    "finish_reason": "finish_reason",
    "error_kind": "error_kind",
}
"""Columns that are a field of the event as it stands."""

_MADE: Final = (
    "keyed_at",
    "accepted_at",
    "started_at",
    "first_token_at",
    "ended_at",
    "tags",
    "cost_nanodollars",
    "price_version",
)

COLUMNS: Final = (*_COPIED, *_MADE)

_copied = attrgetter(*_COPIED.values())


def row_of(entry: Entry) -> tuple[object, ...]:
    event, cost, price_version = entry
    return (
        *_copied(event),
        job_unix_ms(JobId(event.job_id)) / 1000,
        event.accepted_at.timestamp(),
        event.started_at.timestamp(),
        event.first_token_at.timestamp() if event.first_token_at else None,
        event.ended_at.timestamp(),
        to_json(event.tags).decode() if event.tags else "{}",
        cost,
        price_version,
    )
