"""How do rows of the ledger get another price in the database? By one statement, as they came in by one.

Rules for whoever edits it are those of `usage_store`. Rows are locked in the order of their keys, and only those that
still cost what was read; the roll-ups get the differences of rows that were really changed.
"""

from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    MetaData,
    Table,
    case,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import CompilerElement

from services.accounting.ledger.batches import Batches
from services.accounting.ledger.budget_sums import spent
from services.accounting.ledger.roll_ups import fed, keys_of
from services.accounting.ledger.staging import Staging
from services.accounting.ledger.tables import MEASURES, price_changes, usage_ledger

__all__ = ["PRICES", "TRAVELLING"]

TRAVELLING: Final = (
    "job_id",
    "attempt",
    "keyed_at",
    "cost_before_nanodollars",
    "cost_after_nanodollars",
    "price_version_after",
    "cache_saved_after_nanodollars",
)

_KEY: Final = tuple(column.name for column in usage_ledger.primary_key)

_coming = Table(
    "coming_prices",
    MetaData(),
    *(Column(name, price_changes.c[name].type, primary_key=name in _KEY) for name in TRAVELLING[:-1]),
    Column("cache_saved_after_nanodollars", BigInteger),
)
"""What comes of a row: what is kept of it in `price_changes`, and more."""

_staging = Staging("incoming_prices", _coming, TRAVELLING)


def _locked() -> CTE:
    """The ledger's rows as they are, with what they are to cost."""
    coming = _staging.rows().cte("coming")
    same = [usage_ledger.c[name] == coming.c[name] for name in _KEY]
    unchanged = usage_ledger.c.cost_nanodollars.is_not_distinct_from(coming.c.cost_before_nanodollars)
    return (
        select(
            usage_ledger,
            coming.c.cost_after_nanodollars,
            coming.c.price_version_after,
            coming.c.cache_saved_after_nanodollars,
        )
        .where(*same, unchanged)
        .order_by(*(usage_ledger.c[name] for name in _KEY))
        .with_for_update(of=usage_ledger)
        .cte("locked")
    )


def _changed(locked: CTE) -> CTE:
    """What `locked` says, and what is billed now."""
    return (
        update(usage_ledger)
        .where(*(usage_ledger.c[name] == locked.c[name] for name in _KEY))
        .values(
            cost_nanodollars=locked.c.cost_after_nanodollars,
            price_version=locked.c.price_version_after,
            cache_saved_nanodollars=locked.c.cache_saved_after_nanodollars,
        )
        .returning(*locked.c, usage_ledger.c.billed_nanodollars.label("billed_after"))
        .cte("changed")
    )


def _history(changed: CTE) -> CTE:
    kept = {
        **{name: changed.c[name] for name in (*_KEY, "tenant")},
        "cost_before_nanodollars": changed.c.cost_nanodollars,
        "cost_after_nanodollars": changed.c.cost_after_nanodollars,
        "price_version_before": changed.c.price_version,
        "price_version_after": changed.c.price_version_after,
    }
    return insert(price_changes).from_select(list(kept), select(*kept.values())).cte("history")


def _differences(changed: CTE) -> CTE:
    """Of the roll-ups: what does not go by the price stays as it is."""
    before, billed_before = changed.c.cost_nanodollars, changed.c.billed_nanodollars
    buckets = ("uncached_input_tokens", "cache_write_tokens", "cache_read_tokens", "output_tokens")
    tokens = func.sum(case((before.is_(None), sum((changed.c[name] for name in buckets), literal(0))), else_=0))
    made: dict[str, ColumnElement[Any]] = {
        "cost_nanodollars": func.sum(changed.c.cost_after_nanodollars - func.coalesce(before, 0)),
        "billed_nanodollars": func.sum(changed.c.billed_after - func.coalesce(billed_before, 0)),
        "cache_saved_nanodollars": func.sum(
            func.coalesce(changed.c.cache_saved_after_nanodollars, 0)
            - func.coalesce(changed.c.cache_saved_nanodollars, 0)
        ),
        "unpriced_attempts": -func.count().filter(before.is_(None)),
        "unpriced_tokens": -tokens,
    }
    keys = keys_of(changed)
    measures = ((made[name] if name in made else literal(0)).label(name) for name in MEASURES)
    return select(*keys, *measures).group_by(*keys).cte("sums")


def _spent(changed: CTE) -> tuple[CTE, CTE]:
    before = changed.c.cost_nanodollars
    more = func.sum(changed.c.cost_after_nanodollars - func.coalesce(before, 0))
    return spent(changed, more, -func.count().filter(before.is_(None)))


def _statement() -> CompilerElement:
    changed = _changed(_locked())
    sums = (*fed(_differences(changed)), *_spent(changed))
    return select(changed.c.job_id, changed.c.attempt).add_cte(_history(changed), *sums)


PRICES: Final = Batches(_staging, _statement())
"""Takes rows of `TRAVELLING`, and returns `job_id` and `attempt` of those it changed."""
