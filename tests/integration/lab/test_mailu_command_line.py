"""The command line of the stand-in for Mailu's admin."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import yaml

from lab.mailu.admin import cli, settings
from lab.mailu.admin.application import Application, assembled
from lab.mailu.admin.keys import made
from lab.mailu.admin.store import Document, Kind
from tests.support.mailu_admin import environment

NOWHERE = "127.0.0.1:1"
"""The address of a Valkey: nothing here counts."""
Flask = Callable[..., str]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, NOWHERE)


@pytest.fixture
def app(environ: dict[str, str]) -> Application:
    return assembled(settings.read(environ))


@pytest.fixture
def flask(environ: dict[str, str], tmp_path: Path) -> Flask:
    """Run `flask mailu …` and return what it prints; the document is its file."""

    def run(*arguments: str, document: object = None, status: int = 0) -> str:
        out, given = StringIO(), list(arguments)
        if document is not None:
            file = tmp_path / "document.yml"
            file.write_text(yaml.safe_dump(document))
            given.append(str(file))
        assert cli.main(["mailu", *given], environ, out) == status
        return out.getvalue()

    return run


def found(app: Application, kind: Kind, key: str) -> Document:
    """Return an object that exists."""
    with app.database.transaction(writes=False) as store:
        document = store.find(kind, key)
    assert document is not None
    return document


def test_a_domain_with_limits(flask: Flask, app: Application) -> None:
    flask("domain", "a.example", "-u", "3", "--max-aliases", "4")
    domain = found(app, Kind.DOMAIN, "a.example")
    assert (domain["max_users"], domain["max_aliases"], domain["max_quota_bytes"]) == (3, 4, 0)


def test_an_administrator_and_what_happens_if_it_exists(flask: Flask, app: Application) -> None:
    given = ("admin", "ada", "a.example")
    flask(*given, "first")
    first = found(app, Kind.USER, "ada@a.example")
    assert first["global_admin"] is True
    flask(*given, "second", status=1)
    flask(*given, "second", "--mode", "ifmissing")
    assert found(app, Kind.USER, "ada@a.example") == first
    flask(*given, "second", "--mode", "update")
    assert app.passwords.matches("second", found(app, Kind.USER, "ada@a.example")["password"])


def test_the_first_administrator_comes_from_the_environment(app: Application) -> None:
    names = ("ACCOUNT", "DOMAIN", "PW")
    values = ("ada", "a.example", "secret")
    environ = {f"INITIAL_ADMIN_{n}": v for n, v in zip(names, values, strict=True)}
    for _ in range(2):
        cli.make_first_administrator(app, environ)
    assert found(app, Kind.USER, "ada@a.example")["global_admin"] is True


def test_users_and_passwords(flask: Flask, app: Application) -> None:
    flask("user", "ada", "a.example", "first")
    hashed = found(app, Kind.USER, "ada@a.example")["password"]
    flask("password", "ada", "a.example", "second")
    assert app.passwords.matches("second", found(app, Kind.USER, "ada@a.example")["password"])
    flask("user-import", "bob", "a.example", hashed)
    assert app.passwords.matches("first", found(app, Kind.USER, "bob@a.example")["password"])
    flask("password", "nobody", "a.example", "x", status=1)


def test_user_delete_only_disables_unless_it_is_really_meant(
    flask: Flask, app: Application
) -> None:
    flask("user", "ada", "a.example", "x")
    flask("user-delete", "ada@a.example")
    assert found(app, Kind.USER, "ada@a.example")["enabled"] is False
    flask("user-delete", "-r", "ada@a.example")
    flask("user-delete", "-r", "ada@a.example", status=1)


def test_an_alias(flask: Flask, app: Application) -> None:
    flask("alias", "%", "a.example", "bob@a.example,ada@a.example", "-w")
    alias = found(app, Kind.ALIAS, "%@a.example")
    assert (alias["wildcard"], alias["destination"]) == (True, ["ada@a.example", "bob@a.example"])


class TestConfiguration:
    """Objects as one document."""

    DOCUMENT = {
        "domain": [{"name": "a.example", "comment": "x", "alternatives": ["b.example"]}],
        "user": [{"email": "ada@a.example", "password": "secret", "hash_password": True}],
        "alias": [{"email": "info@a.example", "destination": ["ada@a.example"]}],
        "relay": [{"name": "r.example", "smtp": "[192.0.2.1]:25"}],
    }

    def test_a_trial_run_changes_nothing(self, flask: Flask) -> None:
        printed = flask("config-import", "-u", "-n", "-v", document=self.DOCUMENT)
        assert "made domain a.example" in printed
        assert "nothing is changed" in printed
        assert yaml.safe_load(flask("config-export"))["domain"] == []

    def test_a_second_run_has_no_changes(self, flask: Flask, app: Application) -> None:
        document = {name: self.DOCUMENT[name] for name in ("domain", "alias", "relay")}
        assert flask("config-import", "-u", document=document).startswith("4 changes")
        assert flask("config-import", "-u", document=document).startswith("no changes")
        exported = yaml.safe_load(flask("config-export"))
        assert exported == {**document, "user": []}

    def test_without_update_what_is_not_listed_is_removed(
        self, flask: Flask, app: Application
    ) -> None:
        flask("config-import", "-u", document=self.DOCUMENT)
        flask("config-import", document={"relay": self.DOCUMENT["relay"]})
        exported = yaml.safe_load(flask("config-export"))
        assert exported["domain"] == exported["user"] == exported["alias"] == []
        assert exported["relay"] == self.DOCUMENT["relay"]

    def test_a_key_becomes_the_file_byte_for_byte(self, flask: Flask, app: Application) -> None:
        pem = made().decode()
        document = {"domain": [{"name": "a.example", "dkim_key": pem}]}
        assert flask("config-import", "-u", document=document).startswith("2 changes")
        assert app.keys.path("a.example").read_text() == pem
        assert flask("config-import", "-u", document=document).startswith("no changes")
        hidden = json.loads(flask("config-export", "--json"))["domain"][0]
        assert hidden["dkim_key"] == "<hidden>"
        shown = json.loads(flask("config-export", "--secrets", "--json", "domain.dkim_key"))
        assert shown == document

    def test_a_key_is_made_on_request(self, flask: Flask, app: Application) -> None:
        document = {"domain": [{"name": "a.example", "dkim_key": "-generate-"}]}
        flask("config-import", "-u", document=document)
        assert app.keys.public("a.example")
        exported = yaml.safe_load(flask("config-export", "--dns", "domain"))
        assert "p=" in exported["domain"][0]["dns_dkim"]

    @pytest.mark.parametrize(
        "document",
        [
            {"domain": [{"name": "a.example", "dkim_key": "no key"}]},
            {"domain": [{"name": "a.example", "colour": "red"}]},
            {"domain": [{"name": "a_b.example"}]},
            {"colours": []},
            [],
        ],
    )
    def test_what_is_not_valid_is_refused_as_a_whole(self, flask: Flask, document: object) -> None:
        before = flask("config-export")
        flask("config-import", "-u", document=document, status=1)
        assert flask("config-export") == before

    def test_full_shows_defaults(self, flask: Flask) -> None:
        flask("config-import", "-u", document=self.DOCUMENT)
        user = yaml.safe_load(flask("config-export", "--full", "user"))["user"][0]
        assert (user["enabled"], user["password"]) == (True, "<hidden>")

    def test_the_older_form(self, flask: Flask, app: Application) -> None:
        split = {"localpart": "ada", "domain": "a.example"}
        document = {
            "domains": [{"name": "a.example"}],
            "users": [{**split, "password_hash": "$x"}],
            "aliases": [{**split, "localpart": "info", "destination": ["ada@a.example"]}],
        }
        flask("config-update", document=document)
        assert found(app, Kind.USER, "ada@a.example")["password"] == "$x"
        assert found(app, Kind.ALIAS, "info@a.example")["destination"] == ["ada@a.example"]
