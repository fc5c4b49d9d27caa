"""What caches save, beside what calls cost."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_SAVED: Final = "cache_saved_nanodollars"
_OF_A_CALL: Final = (
    "What the call would have cost more without the provider's prompt cache; negative where writing into it cost "
    "more than reading from it saved. Null: no price was known."
)
_OF_CALLS: Final = "What the calls would have cost more without prompt caches."
_ROLL_UPS: Final = ("usage_hourly", "usage_daily")

_SAVINGS: Final = """
create view cache_savings with (security_invoker = true) as
select day, tenant, model_asked, provider, 'provider' as cache,
       sum(uncached_input_tokens + cache_write_tokens + cache_read_tokens)::bigint as input_tokens,
       sum(cache_write_tokens)::bigint as cache_write_tokens,
       sum(cache_read_tokens)::bigint as cache_read_tokens,
       sum(cache_saved_nanodollars) * 0.000000001 as saved_dollars,
       sum(unpriced_tokens)::bigint as unpriced_tokens
from usage_daily
group by day, tenant, model_asked, provider
having sum(cache_write_tokens + cache_read_tokens) > 0
"""
_MEANING: Final = (
    "What caches save against the price of the same calls without them, by day, tenant, model and provider."
)
_COLUMNS: Final = {
    "day": "The day (UTC) on which the calls ended.",
    "tenant": "Who pays.",
    "model_asked": "The model the callers asked for.",
    "provider": "The provider's name in sluice.yaml.",
    "cache": "Whose cache it is. provider: the prompt cache of the provider; there is no other yet.",
    "input_tokens": "All input of the calls, cached or not.",
    "cache_write_tokens": "What of it was put into the cache; it may cost more than other input.",
    "cache_read_tokens": "What of it came from the cache.",
    "saved_dollars": "What reading saved, less what writing cost more, in US dollars, exact; it may be negative.",
    "unpriced_tokens": "Tokens of calls without a known price: nobody knows what was saved there.",
}
_GRANT: Final = """
do $$ begin
    if not exists (select from pg_roles where rolname = 'sluice_reader') then return; end if;
    grant select on cache_savings to sluice_reader;
end $$
"""


def upgrade() -> None:
    op.add_column("usage_ledger", sa.Column(_SAVED, sa.BigInteger(), nullable=True, comment=_OF_A_CALL))
    for table in _ROLL_UPS:
        # What was written before was not worked out, and counts as nothing saved.
        op.add_column(table, sa.Column(_SAVED, sa.BigInteger(), nullable=False, server_default="0", comment=_OF_CALLS))
        op.alter_column(table, _SAVED, server_default=None)
    op.execute(_SAVINGS)
    op.execute(f"comment on view cache_savings is {_quoted(_MEANING)}")
    for column, meaning in _COLUMNS.items():
        op.execute(f"comment on column cache_savings.{column} is {_quoted(meaning)}")
    op.execute(_GRANT)


def downgrade() -> None:
    op.execute("drop view cache_savings")
    for table in ("usage_ledger", *_ROLL_UPS):
        op.drop_column(table, _SAVED)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
