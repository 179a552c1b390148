"""The environment of the stand-in for Mailu's admin: what is unknown or missing ends the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.mailu.admin.counters import Limit
from lab.mailu.admin.settings import NotStarted, read

LEAST = {"DOMAIN": "a.example", "HOSTNAMES": "mx.a.example,b.example", "SECRET_KEY": "x" * 16}


def test_the_defaults_are_mailus() -> None:
    known = read(LEAST)
    assert known.hostname == "mx.a.example"
    assert known.database == Path("/data/main.db")
    assert known.dkim_path == "/dkim/{domain}.{selector}.key"
    assert (known.dkim_selector, known.rounds, known.api_token) == ("dkim", 12, None)
    assert known.limits.network == Limit(5, 3600)
    assert known.limits.sender == Limit(200, 86400)
    assert known.services["REDIS"] == "redis"
    assert known.require_tokens is False


@pytest.mark.parametrize("name", ["MESAGE_RATELIMIT", "MESSAGE_RATELIMIT_FILES", "RELAYHOST_FILE"])
def test_an_unknown_name_ends_the_start(name: str) -> None:
    with pytest.raises(NotStarted, match=name):
        read({**LEAST, name: "1"})


def test_names_of_systems_and_of_the_other_containers_do_not() -> None:
    others = {"ANTIVIRUS": "none", "RELAYNETS": "", "OUTBOUND_TLS_LEVEL": "may", "LD_PRELOAD": ""}
    systems = {"PATH": "/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": "/", "HOSTNAME": "x"}
    assert read({**LEAST, **others, **systems}) == read(LEAST)


@pytest.mark.parametrize("name", sorted(LEAST))
def test_a_missing_name_ends_the_start(name: str) -> None:
    with pytest.raises(NotStarted, match=name):
        read({key: value for key, value in LEAST.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_RATELIMIT_IP", "many"),
        ("CPU_COUNT", "two"),
        ("DB_FLAVOR", "postgresql"),
        ("SQLALCHEMY_DATABASE_URI", "mysql://x"),
        ("AUTH_RATELIMIT_EXEMPTION", "here"),
    ],
)
def test_a_value_that_is_none_of_its_kind_ends_the_start(name: str, value: str) -> None:
    with pytest.raises(NotStarted):
        read({**LEAST, name: value})


def test_a_secret_comes_from_its_file_without_the_newline(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    assert read({**LEAST, "API_TOKEN_FILE": str(file)}).api_token == "secret"


@pytest.mark.parametrize("name", ["SECRET_KEY_FILE", "API_TOKEN_FILE"])
def test_a_missing_file_ends_the_start(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=name):
        read({**LEAST, name: str(tmp_path / "none")})
