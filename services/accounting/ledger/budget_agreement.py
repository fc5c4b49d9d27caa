"""Is what is spent of each budget the sum of the ledger? In words of its own, as the other sums are compared."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.agreement import Difference
from services.accounting.ledger.engine import transaction

__all__ = ["budget_differences"]

# Only periods that can be seen whole: of one before, the sum may have been made when only a part of it was looked at.
# Of a total, rows may have gone with the months that are kept no longer: it can only be larger than what is left.
_COMPARED: Final = """
    with moved as (
        select s.*, b.per, b.time_zone, b.team, b.caller, b.model_asked, b.tag_name, b.tag_value
        from budget_spend s join budgets b on b.tenant = s.tenant and b.budget = s.budget
        where s.moved_at >= $1 and b.begun_at is not null
          and s.period >= budget_period(b.per, b.time_zone, $1 - case b.per when 'day' then interval '30 days'
                                                                           else interval '0' end)
    ), sums as (
        select m.tenant, m.budget, m.period, m.per, m.spent_nanodollars as spent,
               coalesce(sum(l.cost_nanodollars), 0)::bigint as really
        from moved m left join usage_ledger l on l.tenant = m.tenant
             and (m.per = 'total' or l.keyed_at >= $1 - interval '32 days')
             and case m.per when 'total' then true
                            when 'day' then (l.keyed_at at time zone m.time_zone)::date = m.period::date
                            else to_char(l.keyed_at at time zone m.time_zone, 'YYYY-MM') = m.period end
             and l.team is not distinct from coalesce(m.team, l.team) and l.caller = coalesce(m.caller, l.caller)
             and l.model_asked = coalesce(m.model_asked, l.model_asked)
             and (m.tag_name is null or l.tags @> jsonb_build_object(m.tag_name, m.tag_value))
        group by 1, 2, 3, 4, 5
    )
    select tenant || ' ' || period || ' ' || budget, really::text, spent::text from sums
    where case per when 'total' then spent < really else spent <> really end order by 1
"""


async def budget_differences(engine: AsyncEngine, since: datetime) -> Sequence[Difference]:
    """Of the periods of budgets of which anything was spent since then. Raises AwayError."""
    async with transaction(engine) as connection:
        rows = await connection.fetch(_COMPARED, since)
    return [Difference("usage_ledger, budget_spend", *row) for row in rows]
