"""The state of a stack as the reconciler reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.pulumi.errors import code_of
from controlplane.reconciler.ports import CloudState, Held, ObservedAddress, ObservedHost
from stacks.backend import INSTANCE, RECORD, STACK, Checkpoint, name_of

ADDRESS = "hostwinds:index:SecondaryAddress"
POINTER = "hostwinds:index:ReverseDns"

Resource = Mapping[str, Any]


def cloud_state(checkpoint: Checkpoint) -> CloudState:
    """Return the state by its resources, which are right even after a crash or a partial failure.

    Only the digest, the held zones, and the names of pending addresses come from the program's
    outputs.
    """
    named = {
        (str(resource["type"]), name_of(str(resource["urn"]))): resource
        for resource in checkpoint.resources
    }
    outputs = next((_outputs(stack) for _, stack in _of_type(named, STACK)), {})
    helos = {
        address["name"]: str(address["helo"])
        for host in outputs.get("hosts") or ()
        for address in host["addresses"]
    } | {name: str(pointer["inputs"]["hostname"]) for name, pointer in _of_type(named, POINTER)}
    generation = outputs.get("generation")
    hosts = tuple(
        _host(name, instance, dict(_of_type(named, ADDRESS)), helos)
        for name, instance in _of_type(named, INSTANCE)
    )
    return CloudState(
        digest=outputs.get("digest"),
        generation=None if generation is None else int(generation),
        hosts=hosts,
        records={
            name: str(record["id"]) for name, record in _of_type(named, RECORD) if record.get("id")
        },
        pending=(*_ordered(outputs, hosts), *_without_ip(hosts)),
        held=held_zones(outputs),
        written=checkpoint.written,
    )


def _without_ip(hosts: Sequence[ObservedHost]) -> list[str]:
    return [address.name for host in hosts for address in host.addresses if address.ip is None]


def _ordered(outputs: Mapping[str, Any], hosts: Sequence[ObservedHost]) -> list[str]:
    """Return the first addresses of hosts that were declared, and whose server has no id yet.

    The server of a host that is replaced is another one until then.
    """
    known = {(host.name, host.server_name) for host in hosts}
    return [
        host["addresses"][0]["name"]
        for host in outputs.get("hosts") or ()
        if (host["name"], host["server_name"]) not in known
    ]


def held_zones(outputs: Mapping[str, Any]) -> tuple[Held, ...]:
    """Return the zones that the program left unchanged, from its outputs."""
    held = outputs.get("held") or ()
    return tuple(
        Held(zone["zone"], code, zone["message"], zone["remedy"], code_of(code).acts)
        for zone in held
        for code in [str(zone["code"])]
    )


def _host(
    name: str, instance: Resource, addresses: Mapping[str, Resource], helos: Mapping[str, str]
) -> ObservedHost:
    outputs = _outputs(instance)
    service_id = outputs.get("serviceId")
    further = sorted(
        (key for key in addresses if key.rpartition("-")[0] == name),
        key=lambda key: int(key.rpartition("-")[2]),
    )
    ips = {f"{name}-1": outputs.get("mainIp")}
    ips |= {key: _outputs(addresses[key]).get("address") for key in further}
    return ObservedHost(
        name=name,
        server_name=str(instance["inputs"]["serverName"]),
        service_id=None if service_id is None else int(service_id),
        addresses=tuple(
            ObservedAddress(key, ip or None, helos.get(key, "")) for key, ip in ips.items()
        ),
    )


def _of_type(named: Mapping[tuple[str, str], Resource], kind: str) -> list[tuple[str, Resource]]:
    """Return (name, resource) of one type, by name."""
    return sorted(
        ((name, resource) for (type_, name), resource in named.items() if type_ == kind),
        key=lambda pair: pair[0],
    )


def _outputs(resource: Resource) -> Mapping[str, Any]:
    return resource.get("outputs") or {}
