"""Alembic's entry: runs the revisions on the connection that the database hands in."""

from alembic import context
from sqlalchemy import Connection

from cloud_coordinator.store.tables import metadata

_connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=_connection,
    target_metadata=metadata,
    render_as_batch=_connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
