"""What the nightly audits have found."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, text
from sqlalchemy.dialects.postgresql import JSONB

from services.accounting.ledger.tables.metadata import Moment, fact, metadata, optional

__all__ = ["usage_audits"]

usage_audits = Table(
    "usage_audits",
    metadata,
    Column("begun_at", Moment, primary_key=True, comment="When it began."),
    fact("ended_at", Moment, "When it ended."),
    fact("audited_from", Moment, "Compared are the calls and jobs that ended from then on ..."),
    fact("audited_to", Moment, "... and before then."),
    fact("events", BigInteger(), "Calls, as the usage topic tells of them."),
    fact("results", BigInteger(), "Ends of jobs, as the results topic tells of them."),
    fact("waiting", BigInteger(), "Calls that were not recorded yet, which is no difference."),
    fact(
        "reaches_back", Boolean(), "Whether the usage topic had it all; else rows without an event are not looked for."
    ),
    fact("differences", Integer(), "How many were found; of a kind no more than a thousand are looked for."),
    fact("found", JSONB(), "The differences: between which two, of what, what the first says, and the second."),
    optional("told_at", Moment, "When topic and webhook had the alert; null: not yet, or there was nothing to tell."),
    Index("usage_audits_untold_idx", "begun_at", postgresql_where=text("told_at IS NULL AND differences > 0")),
    comment="What the nightly audits have found; no differences are expected.",
)
