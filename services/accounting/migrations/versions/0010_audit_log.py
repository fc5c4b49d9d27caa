"""The audit log: chains that can only be added to."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_IDENTIFIER: Final = sa.Text(collation="C")

_REFUSE: Final = """
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log can only be added to' using errcode = 'insufficient_privilege';
end
$$
"""
_REFUSE_MEANING: Final = "Keeps what a table has."
_READER: Final = "sluice_reader"
_GRANT: Final = f"""
do $$ begin
    if exists (select from pg_roles where rolname = '{_READER}') then
        grant select on audit_log to {_READER};
    end if;
end $$
"""


def upgrade() -> None:
    _create_tables()
    op.execute(_REFUSE)
    op.execute(f"comment on function refuse_change() is '{_REFUSE_MEANING}'")
    op.execute("""
        create trigger only_added_to before update or delete or truncate on audit_log
        for each statement execute function refuse_change()
    """)
    op.execute("revoke update, delete, truncate on audit_log from public, current_user")
    op.execute("alter table audit_log enable row level security")
    op.execute("""
        create policy analysts on audit_log for select using (
            '*' = any ((select visible_tenants())::text[]) or tenant = any ((select visible_tenants())::text[])
        )
    """)
    op.execute(_GRANT)


def downgrade() -> None:
    for table in ("audit_published", "audit_pending", "audit_log"):
        op.drop_table(table)
    op.execute("drop function refuse_change()")


def _create_tables() -> None:
    op.create_table(
        "audit_log",
        sa.Column("tenant", _IDENTIFIER, nullable=False, comment="Whose chain it is; - is that of the whole house."),
        sa.Column(
            "seq", sa.BigInteger(), autoincrement=False, nullable=False, comment="Its place in the chain, from 1."
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="When it happened."),
        sa.Column(
            "actor", sa.Text(), nullable=False, comment="Who did it: admin:<name>, key:<id> or <service>:<replica>."
        ),
        sa.Column("action", _IDENTIFIER, nullable=False, comment="What was done."),
        sa.Column("subject", sa.Text(), nullable=False, comment="What it was done to."),
        sa.Column(
            "details",
            postgresql.JSONB(),
            nullable=False,
            comment="What more is to be said; of changes, each field with its value before and after.",
        ),
        sa.Column(
            "previous",
            _IDENTIFIER,
            nullable=False,
            comment="The hash of the entry before; of the first, 64 zeros.",
        ),
        sa.Column("hash", _IDENTIFIER, nullable=False, comment="SHA-256 of the one before and of all this says."),
        sa.PrimaryKeyConstraint("tenant", "seq", name="audit_log_pkey"),
        comment=(
            "Administration and security events. Nothing here can be changed or deleted; sluice audit verify looks."
        ),
    )
    op.create_table(
        "audit_pending",
        sa.Column("tenant", _IDENTIFIER, nullable=False, comment="Whose chain it is in."),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False, comment="Its place there."),
        sa.PrimaryKeyConstraint("tenant", "seq", name="audit_pending_pkey"),
        comment="Entries of the audit log that are not on their topic yet.",
    )
    op.create_table(
        "audit_published",
        sa.Column("tenant", _IDENTIFIER, nullable=False, comment="Whose chain it is."),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="The last entry of it that is on the topic."),
        sa.Column(
            "hash",
            _IDENTIFIER,
            nullable=False,
            comment="Its hash: should the table end before it, or with another, entries were taken away.",
        ),
        sa.PrimaryKeyConstraint("tenant", name="audit_published_pkey"),
        comment="How far each chain of the audit log was published.",
    )
