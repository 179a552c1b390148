"""The state of a stack as the reconciler reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.reconciler.ports import CloudState, Held, ObservedAddress, ObservedHost
from stacks.backend import INSTANCE, RECORD, STACK, name_of

ADDRESS = "hostwinds:index:SecondaryAddress"
POINTER = "hostwinds:index:ReverseDns"

Resource = Mapping[str, Any]


def cloud_state(resources: Sequence[Resource]) -> CloudState:
    """Read resources rather than outputs: those are right after a crash or a partial failure too.

    Only the digest, the zones that are held, and the names of addresses that wait come from the
    program's outputs.
    """
    named = {(str(one["type"]), name_of(str(one["urn"]))): one for one in resources}
    outputs = next((_outputs(one) for kind, one in _of(named, STACK)), {})
    helos = {
        address["name"]: str(address["helo"])
        for host in outputs.get("hosts") or ()
        for address in host["addresses"]
    } | {name: str(one["inputs"]["hostname"]) for name, one in _of(named, POINTER)}
    hosts = tuple(
        _host(name, one, dict(_of(named, ADDRESS)), helos) for name, one in _of(named, INSTANCE)
    )
    return CloudState(
        digest=outputs.get("digest"),
        hosts=hosts,
        records={name: str(one["id"]) for name, one in _of(named, RECORD) if one.get("id")},
        pending=tuple(
            address.name for host in hosts for address in host.addresses if address.ip is None
        ),
        held=held_zones(outputs),
    )


def held_zones(outputs: Mapping[str, Any]) -> tuple[Held, ...]:
    """Return the zones that the program left as they are, by its outputs."""
    held = outputs.get("held") or ()
    return tuple(Held(one["zone"], one["code"], one["message"], one["remedy"]) for one in held)


def _host(
    name: str, instance: Resource, addresses: Mapping[str, Resource], helos: Mapping[str, str]
) -> ObservedHost:
    outputs = _outputs(instance)
    service_id = outputs.get("serviceId")
    further = sorted(
        (key for key in addresses if key.rpartition("-")[0] == name),
        key=lambda key: int(key.rpartition("-")[2]),
    )
    numbers = {f"{name}-1": outputs.get("mainIp")}
    numbers |= {key: _outputs(addresses[key]).get("address") for key in further}
    return ObservedHost(
        name=name,
        server_name=str(instance["inputs"]["serverName"]),
        service_id=None if service_id is None else int(service_id),
        addresses=tuple(
            ObservedAddress(key, ip or None, helos.get(key, "")) for key, ip in numbers.items()
        ),
    )


def _of(named: Mapping[tuple[str, str], Resource], kind: str) -> list[tuple[str, Resource]]:
    """Return (name, resource) of one type, by name."""
    return sorted(
        ((name, one) for (type_, name), one in named.items() if type_ == kind),
        key=lambda pair: pair[0],
    )


def _outputs(resource: Resource) -> Mapping[str, Any]:
    return resource.get("outputs") or {}
