"""How far each topic has been written into this database, moved in the same transaction as the rows themselves."""

from sqlalchemy import BigInteger, Column, Integer, Table, func

from services.accounting.ledger.tables.metadata import Identifier, Moment, fact, metadata

__all__ = ["consumed_offsets"]

consumed_offsets = Table(
    "consumed_offsets",
    metadata,
    Column("topic", Identifier, primary_key=True, comment="The Kafka topic."),
    Column("partition", Integer, primary_key=True, autoincrement=False, comment="Its partition."),
    fact("next_offset", BigInteger(), "Every record before this offset is in the database or in the dead letters."),
    Column("moved_at", Moment, nullable=False, server_default=func.now(), comment="When it last moved."),
    comment="How far each topic has been recorded. For seeing, not for seeking: the rows are idempotent.",
)
