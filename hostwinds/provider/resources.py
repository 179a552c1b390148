"""The four resources: their inputs, what replaces them, and their operations."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from hostwinds import firewall
from hostwinds.client import Client
from hostwinds.faults import (
    ADDRESS_LOST,
    POINTER_IMPORT,
    REPLACEMENT_NAME,
    Pending,
    Refused,
    Unfinished,
)
from hostwinds.models import Instance as Server
from hostwinds.models import host_address
from hostwinds.prices import in_megabytes
from hostwinds.purchase import Buyer, Order, Progress
from hostwinds.unfinished import not_active
from kit.faults import Fault, line

Properties = dict[str, Any]
HOSTNAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
SERVER_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
PORT = re.compile(r"[1-9][0-9]{0,4}/(tcp|udp)")
CYCLES = ("hourly", "monthly", "quarterly", "semiannually", "annually", "biennially", "triennially")


class PartlyDone(Exception):
    """The resource exists, but not as requested: its state is stored; the next run updates it."""

    def __init__(self, resource_id: str, outputs: Properties, reason: Fault) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resource_id = resource_id
        self.outputs = outputs


@dataclass(frozen=True)
class Services:
    """Client, buyer and progress of one resource."""

    client: Client
    buyer: Buyer
    progress: Progress
    lost_pointers: Collection[str] = ()
    """Addresses whose reverse names are other ones by now."""


class Resource(ABC):
    """One kind of resource. Ids and outputs are strings and plain values."""

    token: ClassVar[str]
    inputs: ClassVar[dict[str, type]]
    """Required inputs and their types."""
    replacing: ClassVar[tuple[str, ...]] = ()
    """Inputs whose change creates another resource."""
    delete_first: ClassVar[bool] = False
    """Whether the old resource must be deleted before its replacement is created."""
    lasting: ClassVar[tuple[str, ...]] = ()
    """Inputs that count only when it is created: later it keeps its own."""
    outputs: ClassVar[dict[str, type]] = {}
    """Outputs beside the inputs, and their types."""

    def mistake(self, key: str, value: Any) -> str | None:
        """Return why a value of the right type is invalid, None for a valid one."""
        return None

    def kept(self, olds: Properties, news: Properties) -> Properties:
        """Return the lasting inputs of an existing resource, unless another one replaces it."""
        if any(olds.get(key) != news.get(key) for key in self.replacing):
            return {}
        return {key: olds[key] for key in self.lasting if key in olds}

    def conflicts(self, olds: Properties, news: Properties) -> list[tuple[str, str]]:
        """Return (property, reason) for changes that cannot be made."""
        return []

    @abstractmethod
    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Create it; return id and outputs."""

    @abstractmethod
    def read(
        self, resource_id: str, state: Properties, services: Services
    ) -> tuple[Properties, Properties] | None:
        """Return (inputs, outputs) as they are; None when it does not exist."""

    def update(
        self, resource_id: str, olds: Properties, news: Properties, services: Services
    ) -> Properties:
        """Change or complete it in place, by creating it again; return outputs."""
        del resource_id, olds
        return self.create(news, services)[1]

    @abstractmethod
    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """End it; idempotent."""


class Instance(Resource):
    """A VPS. A change of size or location creates another VPS, with another name.

    It keeps the system that it was bought with, whatever the system of new ones is by now.
    """

    token = "hostwinds:index:Instance"  # noqa: S105
    inputs: ClassVar[dict[str, type]] = {
        "serverName": str,
        "cpu": int,
        "ramMb": int,
        "diskGb": int,
        "location": str,
        "image": str,
        "billingCycle": str,
        "firewallProfile": str,
        "inbound": list,
    }
    outputs: ClassVar[dict[str, type]] = {"serviceId": int, "mainIp": str}
    replacing = ("serverName", "cpu", "ramMb", "diskGb", "location")
    lasting = ("image",)

    def mistake(self, key: str, value: Any) -> str | None:
        """Validate the billing cycle, and the name: characters that the API leaves unchanged."""
        if key == "serverName" and not SERVER_NAME.fullmatch(value):
            return "must be lower-case letters, digits and hyphens, 63 at most"
        if key == "billingCycle" and value not in CYCLES:
            return f"must be one of {', '.join(CYCLES)}"
        return _port_mistake(value) if key == "inbound" else None

    def kept(self, olds: Properties, news: Properties) -> Properties:
        """Return what it keeps; also its location, where none is asked for any more."""
        stays = {} if news.get("location") else {"location": olds.get("location", "")}
        return stays | super().kept(olds, {**news, **stays})

    def conflicts(self, olds: Properties, news: Properties) -> list[tuple[str, str]]:
        """Another server needs another name, or it would be mistaken for the replaced one."""
        changed = [key for key in self.replacing if key in olds and olds[key] != news[key]]
        if not changed or "serverName" in changed:
            return []
        return [("serverName", line(REPLACEMENT_NAME(changed=", ".join(changed))))]

    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Buy it, or adopt what was bought. One that is not active yet is stored in the state."""
        server = self._bought(news, services)
        return str(server.service_id), _outputs(server, server.main_ip)

    @staticmethod
    def _bought(news: Properties, services: Services, known_main: str = "") -> Server:
        order = Order(
            name=news["serverName"],
            cpu=int(news["cpu"]),
            ram_mb=int(news["ramMb"]),
            disk_gb=int(news["diskGb"]),
            location=news["location"],
            image=news["image"],
            cycle=news["billingCycle"],
            firewall_profile=news["firewallProfile"],
            inbound=tuple(news["inbound"]),
        )
        try:
            return services.buyer.instance(order, services.progress)
        except Unfinished as unfinished:
            instance = unfinished.instance
            if instance is None:  # it has no id yet: the journal has it
                raise
            if known_main:  # it was active before: its provider has finished it
                unfinished = not_active(instance, instance.status)
            outputs = {"serviceId": instance.service_id, "mainIp": known_main}
            raise PartlyDone(str(instance.service_id), outputs, unfinished) from None

    def read(
        self, resource_id: str, state: Properties, services: Services
    ) -> tuple[Properties, Properties] | None:
        """Return its address, if it exists.

        The inputs of the state are returned: a label that was changed in the portal is no reason to
        replace the server, and an offer may have more than was ordered.
        """
        server = services.buyer.presence.server(int(resource_id))
        if server is None:
            return None
        inputs = {key: state[key] for key in self.inputs if key in state}
        if not inputs:
            return self._imported(server, services.client), _outputs(server, server.main_ip)
        if server.name != inputs.get("serverName"):
            services.progress(f"server {resource_id} is labelled {server.name} in the portal")
        known = _known_main(state)
        if not known and not server.is_active:
            return inputs, _outputs(server, "")
        return inputs, _outputs(server, services.buyer.main_address(server, known))

    def update(
        self,
        resource_id: str,
        olds: Properties,
        news: Properties,
        services: Services,
    ) -> Properties:
        """Set the billing cycle; after a partial failure, wait again until it is active."""
        server = self._bought(news, services, _known_main(olds))
        if olds.get("billingCycle") not in (None, news["billingCycle"]):
            services.client.set_billing_cycle(int(resource_id), news["billingCycle"])
        return _outputs(server, services.buyer.main_address(server, _known_main(olds)))

    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """Terminate it and wait until it is gone."""
        name = str(state["serverName"])
        services.buyer.end_instance(int(resource_id), name, services.progress)

    @staticmethod
    def _imported(server: Server, client: Client) -> Properties:
        return {
            "serverName": server.name,
            "cpu": server.cpu,
            "ramMb": in_megabytes(server.ram),
            "diskGb": server.disk,
            "location": client.location_name(server.location_id),
            "image": server.image,
            "billingCycle": server.cycle,
            "firewallProfile": client.firewall(server.service_id).name,
            "inbound": [],
        }


def _outputs(server: Server, main_ip: str) -> Properties:
    return {"serviceId": server.service_id, "mainIp": main_ip}


def _known_main(state: Properties) -> str:
    return str(state.get("mainIp") or "")


class SecondaryAddress(Resource):
    """A further IPv4 address. No documented call buys one: it is adopted when it appears."""

    token = "hostwinds:index:SecondaryAddress"  # noqa: S105
    inputs: ClassVar[dict[str, type]] = {"serviceId": int, "name": str}
    outputs: ClassVar[dict[str, type]] = {"address": str}
    replacing = ("serviceId", "name")
    delete_first = True

    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Request it and wait briefly; one that does not exist yet is completed by a later run."""
        service_id, name = int(news["serviceId"]), str(news["name"])
        resource_id = f"{service_id}/{name}"
        try:
            address = services.buyer.address(service_id, name, services.progress)
        except Pending as pending:
            raise PartlyDone(resource_id, {"address": ""}, pending) from None
        return resource_id, {"address": address}

    def read(
        self, resource_id: str, state: Properties, services: Services
    ) -> tuple[Properties, Properties] | None:
        """Return it, if the instance still has it."""
        service_id, _, name = resource_id.partition("/")
        address = str(state.get("address") or "")
        present = services.buyer.presence.addresses(int(service_id))
        if present is None or (address and address not in present):
            return None
        return {"serviceId": int(service_id), "name": name}, {"address": address}

    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """Release it to the provider's pool."""
        service_id, _, name = resource_id.partition("/")
        services.buyer.end_address(int(service_id), name, str(state.get("address") or ""))


class ReverseDns(Resource):
    """The PTR of an address. The API cannot read it back: the state is the last value set."""

    token = "hostwinds:index:ReverseDns"  # noqa: S105
    inputs: ClassVar[dict[str, type]] = {"serviceId": int, "address": str, "hostname": str}
    replacing = ("serviceId", "address")

    def mistake(self, key: str, value: Any) -> str | None:
        """Validate the IPv4 address and the full host name."""
        if key == "address" and host_address(value) != value:
            return "must be a public IPv4 address"
        if key == "hostname" and not HOSTNAME.fullmatch(value):
            return "must be a full lower-case host name: mx1.acme.example"
        return None

    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Set it; an address that the server has lost meanwhile is no refusal for good."""
        service_id, address = int(news["serviceId"]), str(news["address"])
        try:
            services.client.set_pointer(service_id, address, news["hostname"])
        except Refused:
            if address in (services.buyer.presence.addresses(service_id) or ()):
                raise
            raise ADDRESS_LOST(service_id=service_id, address=address) from None
        return address, {}

    def read(
        self, resource_id: str, state: Properties, services: Services
    ) -> tuple[Properties, Properties] | None:
        """Return the state; it exists as long as its instance has the address, with its name."""
        if "serviceId" not in state:
            raise POINTER_IMPORT()
        if resource_id in services.lost_pointers:
            return None
        if resource_id not in (services.buyer.presence.addresses(int(state["serviceId"])) or ()):
            return None
        return {key: state[key] for key in self.inputs}, {}

    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """Do nothing: it disappears with the address, and the API documents no empty name."""


class Firewall(Resource):
    """The provider's firewall profile of an instance, with the ports that must pass."""

    token = "hostwinds:index:Firewall"  # noqa: S105
    inputs: ClassVar[dict[str, type]] = {
        "serviceId": int,
        "profile": str,
        "inbound": list,
        "outbound": list,
    }
    outputs: ClassVar[dict[str, type]] = {"applied": str}
    """The whole name of the profile; empty where what applies lets too little pass."""
    replacing = ("serviceId",)

    def mistake(self, key: str, value: Any) -> str | None:
        """Validate the ports."""
        return _port_mistake(value) if key in ("inbound", "outbound") else None

    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Set it; one that lets too little pass is refused."""
        service_id, profile = int(news["serviceId"]), str(news["profile"])
        applied = firewall.protect(services.client, service_id, profile, _needs(news))
        return str(service_id), {"applied": applied}

    def read(
        self,
        resource_id: str,
        state: Properties,
        services: Services,
    ) -> tuple[Properties, Properties] | None:
        """Judge what applies by its rules: names have identifiers, rules are changed later."""
        if services.buyer.presence.server(int(resource_id)) is None:
            return None
        current = services.client.firewall(int(resource_id))
        imported = {"profile": current.name, "inbound": [], "outbound": []}
        inputs = {"serviceId": int(resource_id)}
        inputs |= {key: state.get(key, default) for key, default in imported.items()}
        return inputs, {"applied": "" if current.lacks(_needs(inputs)) else current.name}

    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """Do nothing: an instance always has a profile, and this one admits SSH."""


def _port_mistake(ports: list[Any]) -> str | None:
    valid = all(PORT.fullmatch(str(port)) for port in ports)
    return None if valid else "must be ports with protocols: 25/tcp"


def _needs(properties: Properties) -> firewall.Needs:
    return firewall.Needs(tuple(properties["inbound"]), tuple(properties["outbound"]))


RESOURCES: dict[str, Resource] = {
    resource.token: resource
    for resource in (Instance(), SecondaryAddress(), ReverseDns(), Firewall())
}
