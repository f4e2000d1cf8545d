"""Runs migrations on the connection that :mod:`billing_cli.store.schema` hands over."""

from alembic import context

from billing_cli.store.schema import VERSION_TABLE
from billing_cli.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    transaction_per_migration=False,
    compare_type=True,
)
context.run_migrations()
