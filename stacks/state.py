"""The resources of a stack's state, and their declaration without a change.

The engine deletes what the program does not declare. Resources that must be neither changed nor
deleted are therefore declared again from the state, and the engine sees no difference.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

import hostwinds
from stacks import cloudflare
from stacks.backend import INSTANCE, RECORD, STACK, Stacks, name_of

VERSIONS = {"cloudflare": cloudflare.VERSION, "hostwinds": hostwinds.VERSION}
"""Versions of the providers, as their SDKs request them."""


@dataclass(frozen=True)
class Resource:
    """One resource of the last checkpoint."""

    urn: str
    id: str
    """The provider's; empty for a component."""
    type: str
    name: str
    parent: str
    """Name of the component that it belongs to: a zone's or a host's; empty without one."""
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    dependencies: tuple[str, ...]
    """URNs."""
    is_forgotten: bool
    """Whether the engine takes it out of the state without deleting it at the provider."""

    @property
    def zone_id(self) -> str:
        """The id of a record's zone."""
        return str(self.inputs["zoneId"])


class StackState:
    """The resources of a stack, in the order of its checkpoint."""

    def __init__(self, rows: Collection[Mapping[str, Any]]) -> None:
        self._resources = [_resource(row) for row in rows]

    @classmethod
    def of(cls, stack: str) -> StackState:
        """Read the last checkpoint; raises STATE_UNREACHABLE."""
        return cls(Stacks(os.environ.get("PULUMI_BACKEND_URL", "")).resources(stack))

    def records(self) -> dict[str, Resource]:
        """Return the DNS records by key; the parent is the zone."""
        return {row.name: row for row in self._resources if row.type == RECORD}

    def hosts(self) -> set[str]:
        """Return the names of the hosts that have been bought."""
        return {row.name for row in self._resources if row.type == INSTANCE}

    def host_of(self, urns: Collection[str]) -> set[str]:
        """Return the hosts that resources belong to."""
        hosts = self.hosts()
        return {row.parent for row in self._resources if row.urn in urns and row.parent in hosts}

    def host_summary(self, name: str) -> Mapping[str, Any] | None:
        """Return the program's output about a host in its last run."""
        summaries = self._outputs().get("hosts")
        return next((host for host in summaries or () if host["name"] == name), None)

    def journal(self) -> str | None:
        """Return the id of the purchase journal of its last run."""
        return self._outputs().get("journal")

    def generation(self) -> int:
        """Return the generation of the blueprint of its last run; 0 where it is not known."""
        return int(self._outputs().get("generation") or 0)

    def _outputs(self) -> Mapping[str, Any]:
        stack = next((row for row in self._resources if row.type == STACK), None)
        return stack.outputs if stack else {}

    def redeclare(
        self,
        *,
        hosts: Collection[str],
        records: Collection[str],
        zones: Mapping[str, pulumi.Resource],
        gone: Collection[str] = (),
    ) -> dict[str, pulumi.CustomResource]:
        """Declare all resources of these hosts, and these records, from the state.

        `zones` are the components of the declared zones; returns the records by key. Those that
        are `gone` are taken out of the state by the next run that does not declare them.
        """
        components: dict[str, pulumi.Resource] = dict(zones)
        declared: dict[str, pulumi.CustomResource] = {}
        for row in self._resources:
            selected = row.name in records if row.type == RECORD else row.parent in hosts
            if not selected:
                continue
            if row.parent not in components:
                components[row.parent] = pulumi.ComponentResource(_component(row), row.parent, {})
            depends = [declared[urn] for urn in row.dependencies if urn in declared]
            declared[row.urn] = pulumi.CustomResource(
                row.type,
                row.name,
                dict(row.inputs),
                pulumi.ResourceOptions(
                    parent=components[row.parent],
                    depends_on=depends,
                    version=VERSIONS[row.type.partition(":")[0]],
                    retain_on_delete=row.type == RECORD and row.name in gone,
                ),
            )
        return {
            row.name: declared[row.urn] for row in self.records().values() if row.urn in declared
        }


def _resource(row: Mapping[str, Any]) -> Resource:
    parent = str(row.get("parent") or "")
    inputs: Mapping[str, Any] = row.get("inputs") or {}
    return Resource(
        urn=str(row["urn"]),
        id=str(row.get("id") or ""),
        type=str(row["type"]),
        name=name_of(str(row["urn"])),
        parent="" if STACK in parent else name_of(parent),
        inputs={key: value for key, value in inputs.items() if not key.startswith("__")},
        outputs=row.get("outputs") or {},
        dependencies=tuple(row.get("dependencies") or ()),
        is_forgotten=bool(row.get("retainOnDelete")),
    )


def _component(resource: Resource) -> str:
    """Return the type of a resource's component: `…::penguin:index:MailHost$hostwinds:…::mx1`."""
    return resource.urn.split("::")[2].partition("$")[0]
