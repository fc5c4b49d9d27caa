"""How is it known what is spent of a budget? By a sum that is kept in the transactions that change the ledger.

The part of a statement that is made here joins the rows that are new, or have another price, with the budgets that bind
them. It raises the alerts too: a part of a budget that the sum has come to leaves a row, which is told of later.
"""

from typing import Any, Final

from sqlalchemy import CTE, BigInteger, ColumnElement, FromClause, SmallInteger, and_, column, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from services.accounting.ledger.tables import budget_alerts, budget_spend, budgets

__all__ = ["spent"]

_KEY: Final = ("tenant", "budget", "period")


def spent(rows: FromClause, amount: ColumnElement[Any], unpriced: ColumnElement[Any]) -> tuple[CTE, CTE]:
    """`rows` have the ledger's columns. `amount` and `unpriced` are what a sum over them is to be added."""
    period = func.budget_period(budgets.c.per, budgets.c.time_zone, rows.c.keyed_at)
    keys = [budgets.c.tenant, budgets.c.budget, period.label("period")]
    sums = {"spent_nanodollars": amount, "unpriced_attempts": unpriced}
    source = (
        select(*keys, *(value.cast(BigInteger).label(name) for name, value in sums.items()))
        .select_from(rows.join(budgets, _binds(rows)))
        .group_by(budgets.c.tenant, budgets.c.budget, period)
        .order_by(budgets.c.tenant, budgets.c.budget, period)
    )
    adding = insert(budget_spend).from_select([*_KEY, *sums], source)
    spending = (
        adding.on_conflict_do_update(
            index_elements=budget_spend.primary_key,
            set_={
                **{name: budget_spend.c[name] + adding.excluded[name] for name in sums},
                "revision": budget_spend.c.revision + 1,
                "moved_at": func.now(),
            },
        )
        .returning(*(budget_spend.c[name] for name in _KEY), budget_spend.c.spent_nanodollars)
        .cte("spending")
    )
    return spending, _alerts(spending)


def _binds(rows: FromClause) -> ColumnElement[bool]:
    tag = rows.c.tags.op("->>")(budgets.c.tag_name)
    return and_(
        budgets.c.tenant == rows.c.tenant,
        *(
            or_(budgets.c[name].is_(None), budgets.c[name] == rows.c[name])
            for name in ("team", "caller", "model_asked")
        ),
        or_(budgets.c.tag_name.is_(None), tag == budgets.c.tag_value),
    )


def _alerts(spending: CTE) -> CTE:
    percent = (
        func.unnest(budgets.c.alerts).table_valued(column("percent", SmallInteger)).render_derived(name="thresholds")
    )
    same = and_(budgets.c.tenant == spending.c.tenant, budgets.c.budget == spending.c.budget)
    columns = {
        **{name: spending.c[name] for name in _KEY},
        "percent": percent.c.percent,
        "limit_nanodollars": budgets.c.limit_nanodollars,
        "spent_nanodollars": spending.c.spent_nanodollars,
        "hard": budgets.c.hard,
    }
    reached = spending.c.spent_nanodollars * 100 >= budgets.c.limit_nanodollars * percent.c.percent
    source = select(*columns.values()).select_from(spending.join(budgets, same).join(percent, reached))
    return insert(budget_alerts).from_select(list(columns), source).on_conflict_do_nothing().cte("alerts")
