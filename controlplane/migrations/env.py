"""Runs the revisions on the connection of the upgrade."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="alembic_version",
    version_table_schema="oltp",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
