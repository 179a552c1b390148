"""Copies tenants that passes have settled: thousands of them in minutes.

A copy has another name, other servers, addresses and sealed secrets, and so other digests.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from uuid_utils.compat import uuid7

from blueprint.document import Blueprint
from controlplane.conditions.model import TENANT, ok
from controlplane.reconciler.checks import Given
from controlplane.reconciler.phase import Phase, Verdicts
from controlplane.reconciler.phases.configuration import Configuration
from controlplane.reconciler.ports import CloudState
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.secrets import Secret, SecretStore
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind
from controlplane.reconciler.table import Row
from controlplane.tenants.rendering import render_tenant
from tests.bench.reconciler.outside import LargeAccount, WatchedEngine
from tests.support.installation import PLATFORM
from vault import Vault

BATCH = 200
"""Copies that are written together."""
LEFT_OUT = {"events", "operation_lines", "acme_orders"}
"""Tables without which a tenant is at rest."""
TABLES = """
select table_schema, table_name from information_schema.columns
join information_schema.tables using (table_schema, table_name)
where table_schema in ('oltp', 'directory') and column_name = 'tenant_id'
    and table_type = 'BASE TABLE'
"""


class Captured(Phase[None]):
    """Keeps the snapshots of passes, by tenant."""

    row = Row("captured", "Captured", "captured", frozenset({Kind.TENANT}), required=False)

    def __init__(self) -> None:
        self.snapshots: dict[str, Snapshot] = {}

    async def observe(self, snapshot: Snapshot, session: Session) -> None:
        """Keep a snapshot."""
        del session
        self.snapshots[snapshot.tenant.name] = snapshot

    def verdicts(self, observed: None, snapshot: Snapshot) -> Verdicts:
        """Find it right."""
        del observed, snapshot
        return {TENANT: ok("Captured")}

    def holds_until(self, observed: None, snapshot: Snapshot) -> datetime:
        """Return that time makes no difference."""
        del observed, snapshot
        return ALWAYS


@dataclass(frozen=True)
class Copy:
    """One copy, and what its rows have in place of what those of its template have."""

    id: UUID
    name: str
    words: Sequence[tuple[str, str]]
    blueprint: Blueprint
    cloud: CloudState

    def of(self, table: str, rows: str) -> str:
        """Return the rows of a table of the template as those of the copy."""
        own = rows
        for old, new in self.words:
            own = own.replace(old, new)
        return self._checks(rows, own) if table == "checks" else own

    def _checks(self, rows: str, own_rows: str) -> str:
        """Return the copy's rows with what is checked of it."""
        checks = json.loads(own_rows)
        for check, template in zip(checks, json.loads(rows), strict=True):
            given = _given(template["input"])
            own = given.model_copy(update={"blueprint": self.blueprint, "cloud": self.cloud})
            content = own.model_dump_json(by_alias=True).replace(given.blueprint.tenant, self.name)
            check["input"] = content
            check["digest"] = hashlib.sha256(content.encode()).hexdigest()
        return json.dumps(checks)


@cache
def _given(content: str) -> Given:
    return Given.model_validate_json(content)


class Copies:
    """Makes copies, of which engine and account know as of their templates."""

    def __init__(
        self,
        vault: Vault,
        engine: WatchedEngine,
        account: LargeAccount,
        configuration: Configuration,
    ) -> None:
        self._vault = vault
        self._engine = engine
        self._account = account
        self._configuration = configuration
        self._opened: dict[str, dict[str, str]] = {}

    def make(self, snapshot: Snapshot, name: str) -> Copy:
        """Return a copy of a settled tenant; engine and account know it from now on."""
        template, id_ = snapshot.tenant, uuid7()
        document = template.document.model_dump_json(by_alias=True).replace(template.name, name)
        tenant = replace(
            template,
            id=id_,
            name=name,
            document=type(template.document).model_validate_json(document),
        )
        blueprint = render_tenant(
            tenant,
            snapshot.hosts,
            PLATFORM,
            keys=_keys(snapshot, name),
            draining={},
            draining_domains=(),
        )
        cloud, addresses = self._cloud(snapshot, blueprint)
        secrets, sealed = self._secrets(snapshot, id_, name)
        copied = replace(snapshot, tenant=tenant, blueprint=blueprint, cloud=cloud, secrets=secrets)
        words = [
            (template.name, name),
            (str(template.id), str(id_)),
            (snapshot.blueprint.digest, blueprint.digest),
            *addresses,
            *sealed,
            *self._digests(snapshot, copied),
        ]
        return Copy(id_, name, words, blueprint, cloud)

    def _cloud(
        self, snapshot: Snapshot, blueprint: Blueprint
    ) -> tuple[CloudState, list[tuple[str, str]]]:
        """Let the providers have servers and records of a copy."""
        labels = {host.name: host.server_name for host in blueprint.hosts}
        old, new = snapshot.tenant.name, blueprint.tenant
        words, hosts = [], []
        for host in snapshot.cloud.hosts:
            server = self._account.order(labels[host.name])
            ips = [server.main_ip]
            while len(ips) < len(host.addresses):
                self._account.sell_address(labels[host.name])
                ips.append(server.free.pop())
            addresses = tuple(
                replace(address, ip=ip if address.ip else None, helo=address.helo.replace(old, new))
                for address, ip in zip(host.addresses, ips, strict=True)
            )
            for before, after in zip(host.addresses, addresses, strict=True):
                if before.ip and after.ip:
                    words.append((before.ip, after.ip))
            words.append((f'"service_id": {host.service_id}', f'"service_id": {server.service_id}'))
            server.adopted = {each.name: each.ip for each in addresses[1:] if each.ip}
            hosts.append(
                replace(
                    host,
                    server_name=labels[host.name],
                    service_id=server.service_id,
                    addresses=addresses,
                )
            )
        cloud = replace(
            snapshot.cloud,
            digest=snapshot.cloud.digest and blueprint.digest,
            hosts=tuple(hosts),
            records={
                key.replace(old, new): id_.replace(old, new)
                for key, id_ in snapshot.cloud.records.items()
            },
        )
        if snapshot.cloud.digest is not None:
            self._engine.stacks[new] = cloud
        return cloud, words

    def _secrets(
        self, snapshot: Snapshot, id_: UUID, name: str
    ) -> tuple[SecretStore, list[tuple[str, str]]]:
        """Seal the secrets of the template for a copy."""
        store, old = snapshot.secrets, snapshot.tenant.name
        opened = self._opened.setdefault(old, {})
        secrets, words = {}, []
        for purpose, secret in store._secrets.items():
            plain = opened.setdefault(purpose, store.open(purpose))
            own = purpose.replace(old, name)
            sealed = self._vault.seal(plain.encode(), context=f"{id_}/{own}")
            public = json.loads(json.dumps(secret.public).replace(old, name))
            secrets[own] = Secret(sealed, public)
            words.append((secret.sealed, sealed))
        return SecretStore(self._vault, id_, secrets), words

    def _digests(self, template: Snapshot, copied: Snapshot) -> Iterator[tuple[str, str]]:
        """Yield digests of what hosts were configured with, of the template and of a copy."""
        hosts = {host.name: host for host in copied.cloud.hosts}
        for host in copied.blueprint.hosts:
            row = template.hosts.get(host.name)
            if row is not None and row.applied_digest and host.name in hosts:
                digest = self._configuration._digest(copied, host, hosts[host.name])
                yield row.applied_digest, digest


def _keys(snapshot: Snapshot, name: str) -> Any:
    keys = snapshot.tenant.public_keys
    if keys is None:
        return None
    content = keys.model_dump_json(by_alias=True).replace(snapshot.tenant.name, name)
    return type(keys).model_validate_json(content)


def write(dsn: str, copies: Mapping[UUID, Iterable[Copy]]) -> None:
    """Write copies, by the id of their template."""
    with psycopg.connect(dsn) as admin:
        admin.execute("set session_replication_role = replica")  # nothing refers to what is missing
        tables = [("oltp", "tenants", "id")]
        tables += [
            (schema, table, "tenant_id")
            for schema, table in admin.execute(TABLES).fetchall()
            if table not in LEFT_OUT
        ]
        for template, every in copies.items():
            rows = {table: _rows(admin, table, template) for table in tables}
            given = {table: found for table, found in rows.items() if found is not None}
            copied = iter(every)
            while batch := list(itertools.islice(copied, BATCH)):
                for table, found in given.items():
                    _insert(admin, table, [copy.of(table[1], found) for copy in batch])
        admin.commit()


def _rows(
    admin: psycopg.Connection[Any], table: tuple[str, str, str], template: UUID
) -> str | None:
    schema, name, column = table
    query = sql.SQL("select jsonb_agg(to_jsonb(one))::text from {} as one where {} = %s").format(
        sql.Identifier(schema, name), sql.Identifier(column)
    )
    row = admin.execute(query, [template]).fetchone()
    return row[0] if row is not None else None


def _insert(
    admin: psycopg.Connection[Any], table: tuple[str, str, str], rows: Sequence[str]
) -> None:
    """Insert the rows of many copies; those of operations get ids of the same time."""
    schema, name, _ = table
    admin.execute("create temporary table if not exists stage (document text)")
    admin.execute("truncate stage")
    with admin.cursor() as cursor, cursor.copy("copy stage from stdin") as copy:
        for document in rows:
            copy.write_row([document])
    if name == "operations":
        admin.execute(
            "update stage set document = (select jsonb_agg(one || jsonb_build_object('id', "
            "left(one ->> 'id', 19) || right(gen_random_uuid()::text, 17))) "
            "from jsonb_array_elements(document::jsonb) as one)::text"
        )
    identifier = sql.Identifier(schema, name)
    admin.execute(
        sql.SQL(
            "insert into {} overriding system value select one.* from stage, "
            "jsonb_populate_recordset(cast(null as {}), document::jsonb) as one"
        ).format(identifier, identifier)
    )
