"""Who may ask: tenants, their teams and their keys, as the admin API keeps them. Ingress writes and reads them.

A trigger numbers every change, in the order in which changes are committed, so that each ingress finds what is new by
one number; a change by hand is found as well. Nothing is deleted: the ledger speaks of these names for ever.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, Table, Text, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.accounting.ledger.tables.metadata import Identifier, Moment, fact, metadata, optional

__all__ = ["api_keys", "directory_version", "teams", "tenants"]


def _terms() -> tuple[Column[Any], ...]:
    """What a tenant, a team and a key have alike."""
    return (
        Column("note", Text(), nullable=False, server_default="", comment="What it is for, in words."),
        Column("blocked", Boolean(), nullable=False, server_default=false(), comment="Whether it is refused."),
        Column(
            "limits",
            JSONB(),
            nullable=False,
            server_default=text("'{}'"),
            comment="requests_per_minute, tokens_per_minute, concurrency; what is absent is unlimited.",
        ),
        Column("tags", JSONB(), nullable=False, server_default=text("'{}'"), comment="Labels, text to text."),
        Column("created_at", Moment, nullable=False, server_default=func.now(), comment="When it was made."),
        Column("changed_at", Moment, nullable=False, server_default=func.now(), comment="When it last changed."),
        fact("version", BigInteger(), "The number of its last change."),
    )


tenants = Table(
    "tenants",
    metadata,
    Column("tenant", Identifier, primary_key=True, comment="Its name, as in the ledger."),
    Column(
        "time_zone", Text(), nullable=False, server_default="UTC", comment="Where its days and months begin, by name."
    ),
    *_terms(),
    Index(None, "version"),
    comment="Tenants that the admin API has made; those of sluice.yaml are not here.",
)

teams = Table(
    "teams",
    metadata,
    Column("tenant", Identifier, primary_key=True, comment="Whose team it is."),
    Column("team", Identifier, primary_key=True, comment="Its name within the tenant."),
    *_terms(),
    ForeignKeyConstraint(["tenant"], ["tenants.tenant"]),
    Index(None, "version"),
    comment="Teams of these tenants.",
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Identifier, primary_key=True, comment="The public part of the key."),
    fact("tenant", Identifier, "Whose key it is."),
    optional("team", Identifier, "The team it belongs to."),
    fact("hash", Identifier, "SHA-256 of the whole key, which is stored nowhere."),
    optional("previous_hash", Identifier, "Of the key before the last rotation."),
    optional("previous_until", Moment, "Until when that one is taken as well."),
    fact("models", ARRAY(Text()), "Models it may ask for; * is any."),
    fact("lanes", ARRAY(Text()), "Lanes it may use."),
    optional("expires_at", Moment, "From then on it is refused."),
    optional("revoked_at", Moment, "From then on it is refused, for ever."),
    *_terms(),
    ForeignKeyConstraint(["tenant"], ["tenants.tenant"]),
    ForeignKeyConstraint(["tenant", "team"], ["teams.tenant", "teams.team"]),
    Index(None, "tenant", "key_id"),
    Index(None, "version"),
    comment="API keys of these tenants. No row is ever deleted.",
)

directory_version = Table(
    "directory_version",
    metadata,
    Column("single", Boolean(), primary_key=True, server_default=text("true"), comment="There is one row."),
    fact("version", BigInteger(), "The number of the last change of a tenant, a team or a key."),
    comment="How often tenants, teams and keys have changed; kept by triggers.",
)
