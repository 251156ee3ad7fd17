"""Alembic's entry: runs inside the connection and transaction that database.migrate hands over."""

from alembic import context

from database.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=False,  # the caller's transaction holds everything, on SQLite too
)
with context.begin_transaction():
    context.run_migrations()
