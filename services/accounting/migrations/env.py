"""What Alembic runs. The caller hands over an open connection: `services.accounting.migrations` is the only way in."""

from alembic import context

from services.accounting.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
