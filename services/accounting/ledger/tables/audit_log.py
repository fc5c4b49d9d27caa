"""Who did what: a chain of entries for each tenant, only ever added to, and what of it is still to be published.

A trigger refuses every change of an entry, and nobody has the right to one, the owner of the tables included.
"""

from sqlalchemy import BigInteger, Column, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from services.accounting.ledger.tables.metadata import Identifier, Moment, fact, metadata

__all__ = ["audit_log", "audit_pending", "audit_published"]

audit_log = Table(
    "audit_log",
    metadata,
    Column("tenant", Identifier, primary_key=True, comment="Whose chain it is; - is that of the whole house."),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="Its place in the chain, from 1."),
    fact("at", Moment, "When it happened."),
    fact("actor", Text(), "Who did it: admin:<name>, key:<id> or <service>:<replica>."),
    fact("action", Identifier, "What was done."),
    fact("subject", Text(), "What it was done to."),
    fact("details", JSONB(), "What more is to be said; of changes, each field with its value before and after."),
    fact("previous", Identifier, "The hash of the entry before; of the first, 64 zeros."),
    fact("hash", Identifier, "SHA-256 of the one before and of all this says."),
    comment="Administration and security events. Nothing here can be changed or deleted; sluice audit verify looks.",
)

audit_pending = Table(
    "audit_pending",
    metadata,
    Column("tenant", Identifier, primary_key=True, comment="Whose chain it is in."),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="Its place there."),
    comment="Entries of the audit log that are not on their topic yet.",
)

audit_published = Table(
    "audit_published",
    metadata,
    Column("tenant", Identifier, primary_key=True, comment="Whose chain it is."),
    fact("seq", BigInteger(), "The last entry of it that is on the topic."),
    fact("hash", Identifier, "Its hash: should the table end before it, or with another, entries were taken away."),
    comment="How far each chain of the audit log was published.",
)
