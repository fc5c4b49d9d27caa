"""Budgets: what they are, what is spent and held of them, and which alerts were raised."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLES: Final = ("budgets", "budget_spend", "budget_alerts")
_NAME: Final = "The budget's name, unique within its tenant: what it is per, and what it is of."
_PERIOD: Final = "The day (2026-11-21) or month (2026-11) of the tenant's calendar, or total."

_PERIOD_OF: Final = """
create function budget_period(per text, time_zone text, at timestamptz) returns text language sql immutable
return case per when 'day' then to_char(timezone(time_zone, at), 'YYYY-MM-DD')
                when 'month' then to_char(timezone(time_zone, at), 'YYYY-MM')
                else 'total' end
"""

_STATUS: Final = """
create view budget_status with (security_invoker = true) as
select b.tenant, b.budget, p.period, b.hard,
       b.limit_nanodollars * 0.000000001 as limit_dollars,
       coalesce(s.spent_nanodollars, 0) * 0.000000001 as spent_dollars,
       coalesce(h.held_nanodollars, 0) * 0.000000001 as held_dollars,
       (b.limit_nanodollars - coalesce(s.spent_nanodollars, 0) - coalesce(h.held_nanodollars, 0)) * 0.000000001
           as left_dollars,
       round(100.0 * coalesce(s.spent_nanodollars, 0) / b.limit_nanodollars, 1) as spent_percent,
       coalesce(s.unpriced_attempts, 0) as unpriced_attempts
from budgets b
cross join lateral (select budget_period(b.per, b.time_zone, now()) as period) p
left join budget_spend s on s.tenant = b.tenant and s.budget = b.budget and s.period = p.period
left join lateral (
    select sum((j.reserved ->> 'nanodollars')::bigint) as held_nanodollars
    from jobs j
    where j.tenant = b.tenant and j.reserved is not null and j.settled_at is null
      and jsonb_exists(j.reserved -> 'windows', p.period || ' ' || b.budget)
) h on true
"""

_STATUS_MEANINGS: Final = {
    "tenant": "Whose budget it is.",
    "budget": _NAME,
    "period": _PERIOD,
    "hard": "Whether requests that might go over it are refused.",
    "limit_dollars": "How much may be spent in the period, in US dollars.",
    "spent_dollars": "What is spent, in US dollars, exact. A lower bound when calls are unpriced.",
    "held_dollars": "What jobs that have not ended may still cost at most.",
    "left_dollars": "What is neither spent nor held.",
    "spent_percent": "What is spent of the limit.",
    "unpriced_attempts": "Calls without a known price.",
}

_GRANT: Final = f"""
do $$ begin
    if not exists (select from pg_roles where rolname = 'sluice_reader') then return; end if;
    grant select on {", ".join(_TABLES)}, budget_status to sluice_reader;
    grant select (reserved, settled_at) on jobs to sluice_reader;
end $$
"""


def upgrade() -> None:
    op.execute(_PERIOD_OF)
    _create_budgets()
    _create_spend()
    _create_alerts()
    _extend_jobs()
    op.execute(_STATUS)
    op.execute(f"comment on view budget_status is {_quoted('How each budget stands in the period that runs.')}")
    for column, meaning in _STATUS_MEANINGS.items():
        op.execute(f"comment on column budget_status.{column} is {_quoted(meaning)}")
    for table in _TABLES:
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"""
            create policy analysts on {table} for select using (
                '*' = any ((select visible_tenants())::text[]) or tenant = any ((select visible_tenants())::text[])
            )
        """)
    op.execute(_GRANT)


def downgrade() -> None:
    op.execute("drop view budget_status")
    op.drop_index("jobs_held_idx", table_name="jobs")
    op.drop_column("jobs", "settled_at")
    op.drop_column("jobs", "reserved")
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.execute("drop function budget_period(text, text, timestamptz)")


def _create_budgets() -> None:
    op.create_table(
        "budgets",
        _key("tenant", "Whose budget it is."),
        _key("budget", _NAME),
        _key("per", "day, month or total."),
        sa.Column("time_zone", sa.Text(), nullable=False, comment="Whose days and months these are."),
        sa.Column(
            "limit_nanodollars",
            sa.BigInteger(),
            nullable=False,
            comment="How much may be spent in each, in billionths of a US dollar.",
        ),
        sa.Column("hard", sa.Boolean(), nullable=False, comment="Whether requests that might go over it are refused."),
        sa.Column(
            "alerts",
            postgresql.ARRAY(sa.SmallInteger()),
            nullable=False,
            comment="An alert is raised when so many percent are spent.",
        ),
        sa.Column("team", _C, nullable=True, comment="Only what this team spends; null: of any."),
        sa.Column("caller", _C, nullable=True, comment="Only what this key spends; null: any."),
        sa.Column(
            "model_asked",
            sa.Text(),
            nullable=True,
            comment="Only what is spent when this model is asked for; null: any.",
        ),
        sa.Column("tag_name", sa.Text(), nullable=True, comment="Only what requests with this label spend; null: all."),
        sa.Column("tag_value", sa.Text(), nullable=True, comment="The label's value."),
        sa.Column(
            "source",
            _C,
            nullable=False,
            server_default="config",
            comment="Who made it. Those of config are kept as sluice.yaml says.",
        ),
        _moment("opened_at", "When anything could first be held of it; null: never yet."),
        sa.PrimaryKeyConstraint("tenant", "budget", name="budgets_pkey"),
        sa.CheckConstraint(
            "timezone(time_zone, timestamptz '2000-01-01 00:00:00+00') is not null", name="budgets_zone_known"
        ),
        sa.CheckConstraint("per in ('day', 'month', 'total')", name="budgets_per_known"),
        comment="The budgets that hold now.",
    )


def _create_spend() -> None:
    op.create_table(
        "budget_spend",
        _key("tenant", "Whose budget it is."),
        _key("budget", _NAME),
        _key("period", _PERIOD),
        sa.Column(
            "spent_nanodollars", sa.BigInteger(), nullable=False, comment="The sum of the ledger's cost_nanodollars."
        ),
        sa.Column(
            "unpriced_attempts",
            sa.BigInteger(),
            nullable=False,
            comment="Calls without a known price: they are not in the sum.",
        ),
        sa.Column(
            "revision",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="Grows with each change; tells old from new.",
        ),
        sa.Column(
            "moved_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
            comment="When it last changed.",
        ),
        sa.PrimaryKeyConstraint("tenant", "budget", "period", name="budget_spend_pkey"),
        comment="What is spent of each budget, by period. Always equal to the ledger: written in its transactions.",
    )


def _create_alerts() -> None:
    op.create_table(
        "budget_alerts",
        _key("tenant", "Whose budget it is."),
        _key("budget", _NAME),
        _key("period", _PERIOD),
        sa.Column("percent", sa.SmallInteger(), nullable=False, comment="So much was spent, or more."),
        sa.Column("limit_nanodollars", sa.BigInteger(), nullable=False, comment="The limit at that time."),
        sa.Column("spent_nanodollars", sa.BigInteger(), nullable=False, comment="What was spent at that time."),
        sa.Column(
            "hard",
            sa.Boolean(),
            nullable=False,
            comment="Whether requests are refused when all of it is spent.",
        ),
        sa.Column(
            "raised_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
            comment="When it was found.",
        ),
        _moment("told_at", "When topic and webhook had it; null: not yet."),
        sa.PrimaryKeyConstraint("tenant", "budget", "period", "percent", name="budget_alerts_pkey"),
        comment="Each part of a budget that was spent up to, once for each period.",
    )
    op.create_index(
        "budget_alerts_untold_idx", "budget_alerts", ["raised_at"], postgresql_where=sa.text("told_at IS NULL")
    )


def _extend_jobs() -> None:
    op.add_column(
        "jobs",
        sa.Column(
            "reserved",
            postgresql.JSONB(),
            nullable=True,
            comment="nanodollars and windows: what was held of budgets; null: nothing. From the acceptance.",
        ),
    )
    op.add_column(
        "jobs", _moment("settled_at", "When all that it cost was in the ledger; null: not yet, or no budget.")
    )
    op.create_index(
        "jobs_held_idx",
        "jobs",
        ["tenant", "job_id"],
        postgresql_where=sa.text("reserved IS NOT NULL AND settled_at IS NULL"),
    )


_C: Final = sa.Text(collation="C")


def _key(name: str, comment: str) -> sa.Column[str]:
    return sa.Column(name, _C, nullable=False, comment=comment)


def _moment(name: str, comment: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True, comment=comment)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
