"""Tenants, teams and keys, and the number of their last change."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_IDENTIFIER: Final = sa.Text(collation="C")
_MOMENT: Final = sa.DateTime(timezone=True)
_DIRECTORY: Final = ("tenants", "teams", "api_keys")

# The row of `directory_version` stays locked until the change is committed: so the numbers come in that order.
_COUNT: Final = """
create function count_directory_change() returns trigger language plpgsql as $$
begin
    update directory_version set version = version + 1 returning version into new.version;
    return new;
end
$$
"""
_COUNT_MEANING: Final = "Numbers a change of a tenant, a team or a key."


def upgrade() -> None:
    op.create_table(
        "directory_version",
        sa.Column("single", sa.Boolean(), nullable=False, server_default=sa.text("true"), comment="There is one row."),
        sa.Column(
            "version",
            sa.BigInteger(),
            nullable=False,
            comment="The number of the last change of a tenant, a team or a key.",
        ),
        sa.PrimaryKeyConstraint("single", name="directory_version_pkey"),
        comment="How often tenants, teams and keys have changed; kept by triggers.",
    )
    op.execute("insert into directory_version (single, version) values (true, 0)")
    _create_tenants()
    _create_teams()
    _create_keys()
    op.execute(_COUNT)
    op.execute(f"comment on function count_directory_change() is '{_COUNT_MEANING}'")
    for table in _DIRECTORY:
        op.create_index(f"{table}_version_idx", table, ["version"])
        op.execute(f"""
            create trigger count_change before insert or update on {table}
            for each row execute function count_directory_change()
        """)


def downgrade() -> None:
    for table in (*reversed(_DIRECTORY), "directory_version"):
        op.drop_table(table)
    op.execute("drop function count_directory_change()")


def _create_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant", _IDENTIFIER, nullable=False, comment="Its name, as in the ledger."),
        sa.Column(
            "time_zone",
            sa.Text(),
            nullable=False,
            server_default="UTC",
            comment="Where its days and months begin, by name.",
        ),
        *_terms(),
        sa.PrimaryKeyConstraint("tenant", name="tenants_pkey"),
        comment="Tenants that the admin API has made; those of sluice.yaml are not here.",
    )


def _create_teams() -> None:
    op.create_table(
        "teams",
        sa.Column("tenant", _IDENTIFIER, nullable=False, comment="Whose team it is."),
        sa.Column("team", _IDENTIFIER, nullable=False, comment="Its name within the tenant."),
        *_terms(),
        sa.PrimaryKeyConstraint("tenant", "team", name="teams_pkey"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name="teams_tenant_fkey"),
        comment="Teams of these tenants.",
    )


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", _IDENTIFIER, nullable=False, comment="The public part of the key."),
        sa.Column("tenant", _IDENTIFIER, nullable=False, comment="Whose key it is."),
        sa.Column("team", _IDENTIFIER, nullable=True, comment="The team it belongs to."),
        sa.Column("hash", _IDENTIFIER, nullable=False, comment="SHA-256 of the whole key, which is stored nowhere."),
        sa.Column("previous_hash", _IDENTIFIER, nullable=True, comment="Of the key before the last rotation."),
        sa.Column("previous_until", _MOMENT, nullable=True, comment="Until when that one is taken as well."),
        sa.Column("models", postgresql.ARRAY(sa.Text()), nullable=False, comment="Models it may ask for; * is any."),
        sa.Column("lanes", postgresql.ARRAY(sa.Text()), nullable=False, comment="Lanes it may use."),
        sa.Column("expires_at", _MOMENT, nullable=True, comment="From then on it is refused."),
        sa.Column("revoked_at", _MOMENT, nullable=True, comment="From then on it is refused, for ever."),
        *_terms(),
        sa.PrimaryKeyConstraint("key_id", name="api_keys_pkey"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"], name="api_keys_tenant_fkey"),
        sa.ForeignKeyConstraint(["tenant", "team"], ["teams.tenant", "teams.team"], name="api_keys_tenant_team_fkey"),
        comment="API keys of these tenants. No row is ever deleted.",
    )
    op.create_index("api_keys_tenant_key_id_idx", "api_keys", ["tenant", "key_id"])


def _terms() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("note", sa.Text(), nullable=False, server_default="", comment="What it is for, in words."),
        sa.Column("blocked", sa.Boolean(), nullable=False, server_default=sa.false(), comment="Whether it is refused."),
        sa.Column(
            "limits",
            postgresql.JSONB(),
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="requests_per_minute, tokens_per_minute, concurrency; what is absent is unlimited.",
        ),
        sa.Column(
            "tags",
            postgresql.JSONB(),
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="Labels, text to text.",
        ),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.func.now(), comment="When it was made."),
        sa.Column("changed_at", _MOMENT, nullable=False, server_default=sa.func.now(), comment="When it last changed."),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="The number of its last change."),
    )
