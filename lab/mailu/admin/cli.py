"""The command line of people: `flask mailu …`, started as `python3 -m lab.mailu.admin.cli mailu …`.

Passwords and keys pass as arguments here, as they do with Mailu: programs use the API.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from lab.mailu.admin import settings
from lab.mailu.admin.api.domains import new_domain
from lab.mailu.admin.api.users import new_user, remove_user
from lab.mailu.admin.application import Application, assembled
from lab.mailu.admin.configuration import Import, Refusal, exported
from lab.mailu.admin.names import kept, kept_address
from lab.mailu.admin.store import Document, Kind, Store, kept_list


@dataclass(frozen=True)
class Run:
    """One run of a command."""

    app: Application
    store: Store
    given: argparse.Namespace
    out: TextIO

    @property
    def address(self) -> str:
        """The address that two arguments name."""
        return kept_address(f"{self.given.localpart}@{self.given.domain_name}")

    @property
    def source(self) -> str:
        """The document to read, from a file or the standard input."""
        source = self.given.source
        return sys.stdin.read() if source == "-" else Path(source).read_text()

    def existing_user(self, key: str) -> Document:
        """Return a user that exists."""
        user = self.store.find(Kind.USER, key)
        if user is None:
            raise Refusal(f"the user {key} does not exist")
        return user

    def put_user(self, user: Document) -> None:
        """Keep a user."""
        self.store.put(Kind.USER, user["email"], user)

    def new_user(self, password: str) -> Document:
        """Return a new user, whose domain is made if there is none."""
        self.ensure_domain()
        return new_user(self.app, self.address, password)

    def ensure_domain(self) -> None:
        """Make the domain if there is none."""
        name = self.given.domain_name
        if self.store.find(Kind.DOMAIN, kept(name)) is None:
            self.store.put(Kind.DOMAIN, kept(name), new_domain(name))


def add_domain(run: Run) -> None:
    """Make a domain, or change its limits."""
    name = run.given.domain_name
    domain = run.store.find(Kind.DOMAIN, kept(name)) or new_domain(name)
    for limit in ("max_users", "max_aliases", "max_quota_bytes"):
        if getattr(run.given, limit) is not None:
            domain[limit] = getattr(run.given, limit)
    run.store.put(Kind.DOMAIN, domain["name"], domain)


def add_administrator(run: Run) -> None:
    """Make a global administrator, or do what the mode says if the user exists."""
    existing = run.store.find(Kind.USER, run.address)
    if existing and run.given.mode == "create":
        raise Refusal(f"the user {run.address} exists")
    if existing is None or run.given.mode == "update":
        run.put_user({**run.new_user(run.given.password), "global_admin": True})


def add_user(run: Run) -> None:
    """Make a user."""
    run.put_user(run.new_user(run.given.password))


def import_user(run: Run) -> None:
    """Make a user with the hash of its password."""
    run.put_user({**run.new_user(""), "password": run.given.password_hash})


def set_password(run: Run) -> None:
    """Change a user's password."""
    hashed = run.app.passwords.hashed(run.given.password)
    run.put_user({**run.existing_user(run.address), "password": hashed})


def delete_user(run: Run) -> None:
    """Disable a user, or remove it if that is really meant."""
    user = run.existing_user(kept_address(run.given.email))
    if run.given.really:
        remove_user(run.store, user["email"])
    else:
        run.put_user({**user, "enabled": False})


def add_alias(run: Run) -> None:
    """Make an alias; where it leads to is not verified."""
    run.ensure_domain()
    destination = kept_list(run.given.destination.split(","))
    alias = {"email": run.address, "comment": "", "wildcard": run.given.wildcard}
    run.store.put(Kind.ALIAS, run.address, {**alias, "destination": destination})


def import_configuration(run: Run) -> None:
    """Read objects; a trial run changes nothing."""
    _import(run, yaml.safe_load(run.source), update=run.given.update)


def update_configuration(run: Run) -> None:
    """Read objects in the older form: `domains`, `users`, `aliases`, with split addresses."""
    older = yaml.safe_load(run.source) or {}
    if unknown := set(older) - {"domains", "users", "aliases"}:
        raise Refusal(f"there is no list {', '.join(sorted(unknown))}")
    document = {
        "domain": older.get("domains", []),
        "user": [_joined(user) for user in older.get("users", [])],
        "alias": [_joined(alias) for alias in older.get("aliases", [])],
    }
    _import(run, document, update=not run.given.delete_objects)


def _joined(item: Document) -> Document:
    """Return an object of the older form in the newer one."""
    rest = {"password" if name == "password_hash" else name: item[name] for name in item}
    return {"email": f"{rest.pop('localpart')}@{rest.pop('domain')}", **rest}


def _import(run: Run, document: Any, *, update: bool) -> None:
    reader = Import(run.app, run.store)
    reader.run(document, update=update)
    shown = reader.changes if run.given.verbose or run.given.dry_run else []
    run.out.writelines(f"{line}\n" for line in [*shown, f"{len(reader.changes) or 'no'} changes"])
    if run.given.dry_run:
        raise _Trial
    reader.write_keys()


class _Trial(Exception):
    """Nothing of a trial run is kept."""


def export_configuration(run: Run) -> None:
    """Write objects."""
    given = run.given
    document = exported(
        run.app, run.store, given.only, full=given.full, secrets=given.secrets, dns=given.dns
    )
    if given.json:
        run.out.write(json.dumps(document, indent=2) + "\n")
    else:
        run.out.write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def make_first_administrator(app: Application, environ: Mapping[str, str]) -> None:
    """Make the administrator that the environment names."""
    names = ("INITIAL_ADMIN_ACCOUNT", "INITIAL_ADMIN_DOMAIN", "INITIAL_ADMIN_PW")
    if not all(environ.get(name) for name in names):
        return
    local, domain, password = (environ[name] for name in names)
    mode = environ.get("INITIAL_ADMIN_MODE", "ifmissing")
    given = argparse.Namespace(localpart=local, domain_name=domain, password=password, mode=mode)
    with app.database.transaction(writes=True) as store:
        add_administrator(Run(app, store, given, sys.stderr))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flask", description="Stand-in for Mailu's command line")
    groups = parser.add_subparsers(required=True)
    commands = groups.add_parser("mailu").add_subparsers(required=True)

    def command(
        name: str, run: Callable[[Run], None], *arguments: str
    ) -> Callable[..., argparse.Action]:
        added = commands.add_parser(name, help=run.__doc__)
        added.set_defaults(run=run)
        for argument in arguments:
            added.add_argument(argument)
        return added.add_argument

    user = ("localpart", "domain_name")
    add = command("domain", add_domain, "domain_name")
    for short, name in (("-u", "max-users"), ("-a", "max-aliases"), ("-q", "max-quota-bytes")):
        add(short, f"--{name}", type=int)
    add = command("admin", add_administrator, *user, "password")
    add("-m", "--mode", choices=("create", "ifmissing", "update"), default="create")
    command("user", add_user, *user, "password")
    command("user-import", import_user, *user, "password_hash")
    command("password", set_password, *user, "password")
    command("user-delete", delete_user, "email")("-r", "--really", action="store_true")
    command("alias", add_alias, *user, "destination")("-w", "--wildcard", action="store_true")
    for name, run, flag in (
        ("config-import", import_configuration, ("-u", "--update")),
        ("config-update", update_configuration, ("-d", "--delete-objects")),
    ):
        add = command(name, run)
        add("source", nargs="?", default="-")
        for short, long in (flag, ("-n", "--dry-run"), ("-v", "--verbose")):
            add(short, long, action="store_true")
    add = command("config-export", export_configuration)
    add("only", nargs="*")
    for short, long in (("-f", "--full"), ("-s", "--secrets"), ("-d", "--dns"), ("-j", "--json")):
        add(short, long, action="store_true")
    return parser


def main(
    arguments: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    out: TextIO | None = None,
) -> int:
    """Run one command."""
    given, out = _parser().parse_args(arguments), out or sys.stdout
    try:
        app = assembled(settings.read(environ))
        with app.database.transaction(writes=True) as store:
            given.run(Run(app, store, given, out))
    except _Trial:
        out.write("a trial run: nothing is changed\n")
    except (Refusal, settings.NotStarted, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
