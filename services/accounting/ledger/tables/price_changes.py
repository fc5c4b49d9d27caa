"""What a row of the ledger cost before it was given another price. Only added to, as the ledger is."""

from sqlalchemy import BigInteger, Column, Integer, Table, Text, func

from services.accounting.ledger.tables.metadata import Identifier, Moment, fact, metadata, optional

__all__ = ["price_changes"]

price_changes = Table(
    "price_changes",
    metadata,
    Column("job_id", Identifier, primary_key=True, comment="The job of the call."),
    Column("attempt", Integer, primary_key=True, autoincrement=False, comment="Which of its calls."),
    Column("changed_at", Moment, primary_key=True, server_default=func.now(), comment="When it got the other price."),
    fact("keyed_at", Moment, "As in the ledger: the time inside the job id."),
    fact("tenant", Identifier, "Who pays."),
    optional("cost_before_nanodollars", BigInteger(), "What it cost until then; null: no price was known."),
    fact("cost_after_nanodollars", BigInteger(), "What it costs from then on."),
    fact("price_version_before", Text(), "The prices used until then."),
    fact("price_version_after", Text(), "The prices used from then on."),
    comment="Every change of a price in the ledger, with both prices.",
)
