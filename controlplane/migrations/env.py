"""Runs the history on the connection that the upgrade hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="alembic_version",
    version_table_schema="oltp",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
