"""`penguin db`: upgrade the database to this version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from cli.output import Format, OutputOption, print_result
from kit.database import Role, connection_options, role_name
from kit.paths import state_dir
from kit.queries import Queries

if TYPE_CHECKING:
    from composition.settings import Settings

SQL = Queries(__file__, str)
app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """The database."""


@app.command()
def upgrade(output: OutputOption = Format.TABLE) -> None:
    """Create or update roles and schemas, and register the first operator's key. Can be repeated.

    It needs a login that may create roles: PENGUIN_DATABASE__ADMIN_DSN of the environment, else
    the settings' DSN, else the embedded server's.
    """
    from composition.embedded import database_dsn
    from composition.settings import Settings
    from controlplane.migrations import upgrade as upgrade_schemas

    settings = Settings.read(state_dir())
    target = os.environ.get("PENGUIN_DATABASE__ADMIN_DSN") or database_dsn(settings)
    upgrade_schemas(target, settings.platform.installation, settings.database.passwords())
    _grant_access(target, settings)
    result = {"kind": "database", "outcome": "upgraded"}
    print_result("the database is at this version", result, output)


def _grant_access(dsn: str, settings: Settings) -> None:
    """Grant the journal's role its rights, and register the first operator's key."""
    import psycopg

    from controlplane.identity.keys import Scope
    from hostwinds.journal.postgres import grant_rights

    with psycopg.connect(dsn, **connection_options("penguin-upgrade")) as connection:
        grant_rights(connection, role_name(settings.platform.installation, Role.JOURNAL))
        if settings.api.operator_key_prefix:
            connection.execute(
                SQL.register_operator,
                {
                    "prefix": settings.api.operator_key_prefix,
                    "hash": bytes.fromhex(settings.api.operator_key_hash),
                    "scopes": [str(scope) for scope in Scope],
                },
            )
