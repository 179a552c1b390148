"""PostgreSQL and Valkey from wheels: started, checked and stopped without an installation."""

from tools.servers.postgres import Postgres
from tools.servers.valkey import Valkey

__all__ = ["Postgres", "Valkey"]
