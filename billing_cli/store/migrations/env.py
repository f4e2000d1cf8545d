"""Runs migrations on the connection that :mod:`billing_cli.store.schema` hands over."""

from alembic import context
from sqlmodel import SQLModel

from billing_cli.store import tables
from billing_cli.store.schema import VERSION_TABLE

assert tables.SQLModel is SQLModel  # noqa: S101 - importing the tables is what fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    version_table=VERSION_TABLE,
    transaction_per_migration=False,
    compare_type=True,
)
context.run_migrations()
