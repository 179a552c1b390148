"""Objects as one document: what `config-export` writes and `config-import` reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lab.mailu.admin.api import aliases, domains, relays, users
from lab.mailu.admin.api.marshal import one
from lab.mailu.admin.application import Application
from lab.mailu.admin.bodies import BOOLEAN, STRINGS, Field, Fields, faults_of, strings
from lab.mailu.admin.keys import made
from lab.mailu.admin.names import kept, kept_address
from lab.mailu.admin.names import shown as shown_name
from lab.mailu.admin.store import Document, Kind, Store

GENERATE = "-generate-"
HIDDEN = "<hidden>"
SECRETS = ("dkim_key", "password")


class Refusal(Exception):
    """The document is refused; nothing of it is kept."""


class Section(NamedTuple):
    """One list of the document."""

    kind: Kind
    name: str
    """The field that names an object."""
    fields: Fields
    defaults: Document


SECTIONS = {
    "domain": Section(
        Kind.DOMAIN,
        "name",
        {**domains.CREATED, **strings("dkim_key"), "managers": Field(STRINGS)},
        {"comment": "", "managers": [], "signup_enabled": False, **domains.NUMBERS},
    ),
    "user": Section(
        Kind.USER,
        "email",
        {
            **users.CHANGED,
            **strings("email", required=True),
            **strings("password"),
            "hash_password": Field(BOOLEAN),
        },
        {**users.DEFAULTS, "password": ""},
    ),
    "alias": Section(
        Kind.ALIAS,
        "email",
        {**aliases.CHANGED, **strings("email", required=True)},
        {"comment": "", "wildcard": False, "destination": []},
    ),
    "relay": Section(
        Kind.RELAY,
        "name",
        {**relays.CHANGED, **strings("name", required=True)},
        {"smtp": None, "comment": ""},
    ),
}


@dataclass
class Import:
    """One import: what it changes, and the keys to write once the objects are kept."""

    app: Application
    store: Store
    changes: list[str] = field(default_factory=list)
    keys: dict[str, bytes] = field(default_factory=dict)

    def run(self, document: Any, *, update: bool) -> None:
        """Make and change objects; without `update`, remove those that are not listed."""
        if not isinstance(document, dict) or set(document) - set(SECTIONS):
            raise Refusal(f"the document has other lists than {', '.join(SECTIONS)}")
        listed = {(Kind(n), self._put(SECTIONS[n], i)) for n in document for i in document[n] or []}
        if not update:
            self._remove_others(listed)

    def write_keys(self) -> None:
        """Write the keys' files."""
        for domain, pem in self.keys.items():
            self.app.keys.path(domain).write_bytes(pem)

    def _put(self, section: Section, item: Any) -> str:
        given = {name: value for name, value in item.items() if value is not None}
        if isinstance(given.get("dkim_key"), list):
            given["dkim_key"] = "\n".join(given["dkim_key"])
        if faults := faults_of(given, section.fields):
            raise Refusal(f"{section.kind} {item.get(section.name)}: {faults}")
        domain = section.name == "name"
        key = kept(given[section.name]) if domain else kept_address(given[section.name])
        before = self.store.find(section.kind, key)
        after = {**section.defaults, **(before or {}), **self._values(section, given)}
        after[section.name] = key
        if section.kind is Kind.DOMAIN:
            self._lay_key(shown_name(key), given.get("dkim_key"))
            self._put_alternatives(key, given.get("alternatives"))
        if after != before:
            self.changes.append(f"{'changed' if before else 'made'} {section.kind} {key}")
            self.store.put(section.kind, key, after)
        return key

    def _values(self, section: Section, given: Document) -> Document:
        """Return the values of an object as they are kept."""
        apart = ("dkim_key", "alternatives", "hash_password", "raw_password")
        values = {name: value for name, value in given.items() if name not in apart}
        if values.get("password") == HIDDEN:
            del values["password"]
        if given.get("hash_password") and "password" in values:
            values["password"] = self.app.passwords.hashed(values["password"])
        if section.kind is Kind.USER:
            values.setdefault("spam_threshold", self.app.settings.spam_threshold)
        return values

    def _lay_key(self, domain: str, text: str | None) -> None:
        if text in (None, HIDDEN):
            return
        pem = made() if text == GENERATE else str(text).encode()
        try:
            self.app.keys.require_key(pem)
        except ValueError as error:
            raise Refusal(f"domain {domain}: the DKIM key is none") from error
        if pem != self.app.keys.private(domain):
            self.keys[domain] = pem
            self.changes.append(f"changed the DKIM key of {domain}")

    def _put_alternatives(self, domain: str, names: list[str] | None) -> None:
        for name in names or []:
            alternative = {"name": kept(name), "domain": domain}
            if self.store.find(Kind.ALTERNATIVE, kept(name)) != alternative:
                self.store.put(Kind.ALTERNATIVE, kept(name), alternative)
                self.changes.append(f"made alternative {name}")

    def _remove_others(self, listed: set[tuple[Kind, str]]) -> None:
        for section in SECTIONS.values():
            for item in self.store.all(section.kind):
                key = item[section.name]
                if (section.kind, key) not in listed:
                    self._remove(section.kind, key)
                    self.changes.append(f"removed {section.kind} {key}")

    def _remove(self, kind: Kind, key: str) -> None:
        if kind is Kind.DOMAIN:
            domains.remove_domain(self.store, key)
        elif kind is Kind.USER:
            users.remove_user(self.store, key)
        else:
            self.store.remove(kind, key)


def exported(
    app: Application,
    store: Store,
    only: list[str],
    *,
    full: bool = False,
    secrets: bool = False,
    dns: bool = False,
) -> Document:
    """Return objects; `only` names lists, or one field of a list as `domain.dkim_key`."""
    chosen = [name.partition(".")[::2] for name in only or SECTIONS]
    if unknown := {name for name, _ in chosen} - set(SECTIONS):
        raise Refusal(f"there is no {', '.join(sorted(unknown))}")
    document: Document = {}
    for name, attribute in chosen:
        section = SECTIONS[name]
        rows = []
        for item in _shown(app, store, section, dns=dns):
            defaults = {**section.defaults, "dkim_key": None, "alternatives": []}
            ordered = {section.name: item[section.name], **item}
            row = {k: v for k, v in ordered.items() if full or defaults.get(k, HIDDEN) != v}
            hidden = {k: HIDDEN for k in SECRETS if k in row and not secrets}
            row |= hidden
            wanted = {section.name, attribute}
            rows.append({k: v for k, v in row.items() if not attribute or k in wanted})
        document[name] = rows
    return document


def _shown(app: Application, store: Store, section: Section, *, dns: bool) -> list[Document]:
    if section.kind is not Kind.DOMAIN:
        return store.all(section.kind)
    rows = []
    for shown in domains.shown_domains(app, store, store.all(Kind.DOMAIN)):
        names = [n for n in domains.VIEW if dns or not n.startswith("dns_")]
        key = app.keys.private(shown.name)
        row = one({n: domains.VIEW[n] for n in names}, shown)
        rows.append({**row, "dkim_key": key.decode() if key else None})
    return rows
