"""URLs of the control plane's database, for the logins of its roles."""

from __future__ import annotations

from composition import embedded
from composition.settings import Settings
from kit.database import Role, role_dsn, role_name, without_login


def configured(settings: Settings) -> str:
    """Return the URL of the settings, else of the embedded server, whether it runs or not."""
    if settings.database.dsn is not None:
        return settings.database.dsn.get_secret_value()
    postgres, _ = embedded.servers()
    return postgres.dsn(embedded.DATABASE)


def journal(settings: Settings) -> str:
    """Return the URL of the purchase journal: the database of the control plane."""
    login = role_name(settings.platform.installation, Role.JOURNAL)
    password = settings.database.passwords()[Role.JOURNAL].get_secret_value()
    return role_dsn(without_login(configured(settings)), login, password)
