"""Names and addresses of database roles."""

from __future__ import annotations

import pytest

from kit.database import role_dsn, without_login


@pytest.mark.parametrize(
    ("dsn", "changed"),
    [
        ("postgres://db/penguin", "postgresql://api:p%40ss%2Fw@db/penguin"),
        (
            "postgresql://root:old%40word@[::1]:5433/penguin?sslmode=require",
            "postgresql://api:p%40ss%2Fw@[::1]:5433/penguin?sslmode=require",
        ),
        (
            "postgresql:///penguin?host=/run/postgresql",
            "postgresql://api:p%40ss%2Fw@/penguin?host=/run/postgresql",
        ),
        ("postgresql://a:1,b:2/penguin", "postgresql://api:p%40ss%2Fw@a:1,b:2/penguin"),
    ],
)
def test_dsn_of_a_role_has_its_login_and_password_in_place_of_others(
    dsn: str, changed: str
) -> None:
    assert role_dsn(dsn, "api", "p@ss/w") == changed


@pytest.mark.parametrize(
    ("dsn", "changed"),
    [
        ("postgresql://root:old@db:5433/penguin", "postgresql://db:5433/penguin"),
        (
            "postgresql://db/penguin?user=root&sslmode=require",
            "postgresql://db/penguin?sslmode=require",
        ),
        ("postgresql:///penguin", "postgresql:///penguin"),
        (
            "postgresql://root:old@/penguin?host=%2Frun%2Fpostgresql&port=5432&password=old",
            "postgresql:///penguin?host=%2Frun%2Fpostgresql&port=5432",
        ),
    ],
)
def test_dsn_without_login_names_the_same_database(dsn: str, changed: str) -> None:
    assert without_login(dsn) == changed
