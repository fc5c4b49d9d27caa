"""Budgets that administrators set: when each came into force, and the number of its last change."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_MOMENT: Final = sa.DateTime(timezone=True)
_BEGUN: Final = "When it was summed up what the ledger has of it; null: not yet."
_IN_FORCE: Final = "Since when requests are held against it; null: not yet."

# As for tenants and keys: the row of `directory_version` stays locked until the change is committed.
_COUNT: Final = """
create function count_budget_change() returns trigger language plpgsql as $$
declare number bigint;
begin
    update directory_version set version = version + 1 returning version into number;
    insert into budget_changes (tenant, version) values (coalesce(new.tenant, old.tenant), number)
    on conflict (tenant) do update set version = excluded.version;
    return null;
end
$$
"""
# The sum was made by other days: it is made again, and until then nothing is held against it.
_FOLLOW: Final = """
create function budgets_follow_time_zone() returns trigger language plpgsql as $$
begin
    update budgets set time_zone = new.time_zone, begun_at = null, in_force_at = null
    where tenant = new.tenant and source = 'admin' and time_zone <> new.time_zone;
    return null;
end
$$
"""
_LATER_REVISIONS: Final = "((extract(epoch from clock_timestamp()) * 1000))::bigint"
_STATUS: Final = """
create or replace view budget_status with (security_invoker = true) as
select b.tenant, b.budget, p.period, b.hard,
       b.limit_nanodollars * 0.000000001 as limit_dollars,
       coalesce(s.spent_nanodollars, 0) * 0.000000001 as spent_dollars,
       coalesce(h.held_nanodollars, 0) * 0.000000001 as held_dollars,
       (b.limit_nanodollars - coalesce(s.spent_nanodollars, 0) - coalesce(h.held_nanodollars, 0)) * 0.000000001
           as left_dollars,
       round(100.0 * coalesce(s.spent_nanodollars, 0) / b.limit_nanodollars, 1) as spent_percent,
       coalesce(s.unpriced_attempts, 0) as unpriced_attempts,
       b.source, b.in_force_at
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


def upgrade() -> None:
    for name, meaning in (("begun_at", _BEGUN), ("in_force_at", _IN_FORCE)):
        op.add_column("budgets", sa.Column(name, _MOMENT, nullable=True, comment=meaning))
    for name, meaning in (("created_at", "When it was made."), ("changed_at", "When it last changed.")):
        op.add_column(
            "budgets", sa.Column(name, _MOMENT, nullable=False, server_default=sa.func.now(), comment=meaning)
        )
    op.execute("update budgets set begun_at = now(), in_force_at = case when hard then opened_at else now() end")
    op.create_index(
        "budgets_coming_idx", "budgets", ["tenant", "budget"], postgresql_where=sa.text("in_force_at IS NULL")
    )
    # A sum that is made anew is newer than any before it, also than one that is forgotten here and not in Redis.
    op.alter_column("budget_spend", "revision", server_default=sa.text(_LATER_REVISIONS))
    op.create_table(
        "budget_changes",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False, comment="Whose budgets have changed."),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="The number of the last change."),
        sa.PrimaryKeyConstraint("tenant", name="budget_changes_pkey"),
        comment="When the budgets of each tenant last changed, also by one that was removed; kept by a trigger.",
    )
    op.create_index("budget_changes_version_idx", "budget_changes", ["version"])
    op.execute("alter table budget_changes enable row level security")
    op.execute(_COUNT)
    op.execute(_FOLLOW)
    op.execute("comment on function count_budget_change() is 'Numbers a change of a budget.'")
    op.execute(
        "comment on function budgets_follow_time_zone() is "
        "'A tenant has another time zone: the budgets that administrators made have it too.'"
    )
    op.execute("""
        create trigger count_change after insert or update or delete on budgets
        for each row execute function count_budget_change()
    """)
    op.execute("""
        create trigger budgets_follow after update of time_zone on tenants
        for each row execute function budgets_follow_time_zone()
    """)
    op.execute(_STATUS)
    op.execute("comment on column budget_status.source is 'Who made it: config, for sluice.yaml, or admin.'")
    op.execute(f"comment on column budget_status.in_force_at is '{_IN_FORCE}'")


def downgrade() -> None:
    op.execute("drop trigger budgets_follow on tenants")
    op.execute("drop trigger count_change on budgets")
    op.execute("drop function budgets_follow_time_zone()")
    op.execute("drop function count_budget_change()")
    op.drop_table("budget_changes")
    op.execute("drop view budget_status")
    op.alter_column("budget_spend", "revision", server_default="0")
    op.drop_index("budgets_coming_idx", table_name="budgets")
    for name in ("changed_at", "created_at", "in_force_at", "begun_at"):
        op.drop_column("budgets", name)
    op.execute(_STATUS.replace(",\n       b.source, b.in_force_at", ""))
