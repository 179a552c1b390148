"""Alembic history of the sender's schemas; `upgrade` is its one entry."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

VERSION_SCHEMA = "queue"


def upgrade(dsn: str, installation: str, revision: str = "head") -> None:
    """Bring the schemas queue, directory and suppression to a revision; done already is fine.

    `dsn` is the URL of a role that may create schemas and roles. Blocks; gives up on a lock that
    others hold for more than five seconds.
    """
    command.upgrade(_config(dsn, installation), revision)


def _config(dsn: str, installation: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["dsn"] = dsn
    config.attributes["installation"] = installation
    return config
