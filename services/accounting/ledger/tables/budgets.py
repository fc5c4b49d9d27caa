"""Which budgets there are, what is spent of them, and which alerts were raised.

What is spent is a sum of the ledger, written in the transaction that writes the ledger's rows. A call counts in the
period in which its job was submitted, by the calendar of the tenant's time zone.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, SmallInteger, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY

from services.accounting.ledger.tables.metadata import Identifier, Moment, fact, metadata, optional

__all__ = ["budget_alerts", "budget_changes", "budget_spend", "budgets"]

_NAME = "The budget's name, unique within its tenant: what it is per, and what it is of."
_PERIOD = "The day (2026-11-21) or month (2026-11) of the tenant's calendar, or total."

budgets = Table(
    "budgets",
    metadata,
    Column("tenant", Identifier, primary_key=True, comment="Whose budget it is."),
    Column("budget", Identifier, primary_key=True, comment=_NAME),
    fact("per", Identifier, "day, month or total."),
    fact("time_zone", Text(), "Whose days and months these are."),
    fact("limit_nanodollars", BigInteger(), "How much may be spent in each, in billionths of a US dollar."),
    fact("hard", Boolean(), "Whether requests that might go over it are refused."),
    fact("alerts", ARRAY(SmallInteger), "An alert is raised when so many percent are spent."),
    optional("team", Identifier, "Only what this team spends; null: of any."),
    optional("caller", Identifier, "Only what this key spends; null: any."),
    optional("model_asked", Text(), "Only what is spent when this model is asked for; null: any."),
    optional("tag_name", Text(), "Only what requests with this label spend; null: all."),
    optional("tag_value", Text(), "The label's value."),
    Column(
        "source",
        Identifier,
        nullable=False,
        server_default="config",
        comment="Who made it. Those of config are kept as sluice.yaml says.",
    ),
    optional("opened_at", Moment, "When anything could first be held of it; null: never yet."),
    optional("begun_at", Moment, "When it was summed up what the ledger has of it; null: not yet."),
    optional("in_force_at", Moment, "Since when requests are held against it; null: not yet."),
    Column("created_at", Moment, nullable=False, server_default=func.now(), comment="When it was made."),
    Column("changed_at", Moment, nullable=False, server_default=func.now(), comment="When it last changed."),
    # An unknown time zone would make every transaction of the ledger fail.
    CheckConstraint("timezone(time_zone, timestamptz '2000-01-01 00:00:00+00') is not null", name="budgets_zone_known"),
    CheckConstraint("per in ('day', 'month', 'total')", name="budgets_per_known"),
    Index("budgets_coming_idx", "tenant", "budget", postgresql_where=text("in_force_at IS NULL")),
    comment="The budgets that hold now.",
)

budget_changes = Table(
    "budget_changes",
    metadata,
    Column("tenant", Identifier, primary_key=True, comment="Whose budgets have changed."),
    fact("version", BigInteger(), "The number of the last change."),
    Index(None, "version"),
    comment="When the budgets of each tenant last changed, also by one that was removed; kept by a trigger.",
)

budget_spend = Table(
    "budget_spend",
    metadata,
    Column("tenant", Identifier, primary_key=True, comment="Whose budget it is."),
    Column("budget", Identifier, primary_key=True, comment=_NAME),
    Column("period", Identifier, primary_key=True, comment=_PERIOD),
    fact("spent_nanodollars", BigInteger(), "The sum of the ledger's cost_nanodollars."),
    fact("unpriced_attempts", BigInteger(), "Calls without a known price: they are not in the sum."),
    Column(
        "revision",
        BigInteger,
        nullable=False,
        server_default=text("((extract(epoch from clock_timestamp()) * 1000))::bigint"),
        comment="Grows with each change; tells old from new.",
    ),
    Column("moved_at", Moment, nullable=False, server_default=func.now(), comment="When it last changed."),
    comment="What is spent of each budget, by period. Always equal to the ledger: written in its transactions.",
)

budget_alerts = Table(
    "budget_alerts",
    metadata,
    Column("tenant", Identifier, primary_key=True, comment="Whose budget it is."),
    Column("budget", Identifier, primary_key=True, comment=_NAME),
    Column("period", Identifier, primary_key=True, comment=_PERIOD),
    Column("percent", SmallInteger, primary_key=True, autoincrement=False, comment="So much was spent, or more."),
    fact("limit_nanodollars", BigInteger(), "The limit at that time."),
    fact("spent_nanodollars", BigInteger(), "What was spent at that time."),
    fact("hard", Boolean(), "Whether requests are refused when all of it is spent."),
    Column("raised_at", Moment, nullable=False, server_default=func.now(), comment="When it was found."),
    optional("told_at", Moment, "When topic and webhook had it; null: not yet."),
    Index("budget_alerts_untold_idx", "raised_at", postgresql_where=text("told_at IS NULL")),
    comment="Each part of a budget that was spent up to, once for each period.",
)
