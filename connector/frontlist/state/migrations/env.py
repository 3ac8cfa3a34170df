"""Alembic's environment; the connection is given by `frontlist.state.schema`."""

from alembic import context

from frontlist.state.database import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
