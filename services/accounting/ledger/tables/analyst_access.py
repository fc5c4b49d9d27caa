"""Which analyst sees whose rows? Read by the row-level security of every table, written by the tables' owner alone.

A role of PostgreSQL that may read the tables, because it is a member of `sluice_reader`, still sees only the rows of
the tenants that stand here for it, or for a role it is a member of.
"""

from sqlalchemy import Column, Table

from services.accounting.ledger.tables.metadata import Identifier, metadata

__all__ = ["analyst_access"]

analyst_access = Table(
    "analyst_access",
    metadata,
    Column("role_name", Identifier, primary_key=True, comment="A role of this PostgreSQL server."),
    Column("tenant", Identifier, primary_key=True, comment="Whose rows it sees; * is everybody's."),
    comment="Which roles see the rows of which tenants. What a role does not stand here for, it does not see.",
)
