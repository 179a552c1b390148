"""The four resources: what their inputs must be, what replaces them, what each step does."""

from __future__ import annotations

import ipaddress
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from hostwinds.client import Client
from hostwinds.errors import Refused
from hostwinds.purchase import Buyer, Order, Progress, StillPending

Properties = dict[str, Any]
HOSTNAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
SERVER_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class PartlyDone(Exception):
    """The resource exists, but not as asked: its state is kept, and the next run updates it."""

    def __init__(self, resource_id: str, outputs: Properties, reason: str) -> None:
        super().__init__(reason)
        self.resource_id = resource_id
        self.outputs = outputs


@dataclass(frozen=True)
class Services:
    """What a resource works with."""

    client: Client
    buyer: Buyer
    progress: Progress


class Resource(ABC):
    """One kind of resource. Ids and outputs are strings and plain values."""

    token: ClassVar[str]
    inputs: ClassVar[dict[str, type]]
    """Required inputs and their types."""
    replacing: ClassVar[tuple[str, ...]] = ()
    """Inputs whose change makes another resource."""
    delete_first: ClassVar[bool] = False
    """Whether a replacement's predecessor must go before it can be made."""
    outputs: ClassVar[dict[str, type]] = {}
    """What is known only afterwards."""

    def mistakes(self, news: Properties) -> list[tuple[str, str]]:
        """Return (property, reason) for values of the right type that cannot be."""
        return []

    @abstractmethod
    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Make it; return id and outputs."""

    @abstractmethod
    def read(
        self, resource_id: str, state: Properties, services: Services
    ) -> tuple[Properties, Properties] | None:
        """Return (inputs, outputs) as they are; None when it is gone."""

    @abstractmethod
    def update(
        self, resource_id: str, olds: Properties, news: Properties, services: Services
    ) -> Properties:
        """Change it in place; return outputs."""

    @abstractmethod
    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """End it; one that is gone is fine."""


class Instance(Resource):
    """A VPS. A change of size, place or system is another VPS; its name then differs too."""

    token = "hostwinds:index:Instance"  # noqa: S105
    inputs: ClassVar[dict[str, type]] = {
        "serverName": str,
        "cpu": int,
        "ramMb": int,
        "diskGb": int,
        "location": str,
        "image": str,
        "billingCycle": str,
    }
    outputs: ClassVar[dict[str, type]] = {"serviceId": int, "mainIp": str}
    replacing = ("serverName", "cpu", "ramMb", "diskGb", "location", "image")

    def mistakes(self, news: Properties) -> list[tuple[str, str]]:
        """The name is our ownership key, so it must be one that the API keeps as it is."""
        if not SERVER_NAME.fullmatch(str(news["serverName"])):
            return [("serverName", "must be lower-case letters, digits and hyphens, 63 at most")]
        return []

    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Buy it, or find that it was bought."""
        order = Order(
            name=news["serverName"],
            cpu=int(news["cpu"]),
            ram_mb=int(news["ramMb"]),
            disk_gb=int(news["diskGb"]),
            location=news["location"],
            image=news["image"],
            cycle=news["billingCycle"],
        )
        found = services.buyer.instance(order, services.progress)
        outputs = {"serviceId": found.service_id, "mainIp": found.main_ip}
        return str(found.service_id), outputs

    def read(
        self, resource_id: str, state: Properties, services: Services
    ) -> tuple[Properties, Properties] | None:
        """See whether it is there, and under which name and address."""
        found = services.client.instance(int(resource_id))
        if found is None:
            return None
        inputs = {key: state[key] for key in self.inputs if key in state}
        inputs["serverName"] = found.name
        return inputs, {"serviceId": found.service_id, "mainIp": found.main_ip}

    def update(
        self,
        resource_id: str,
        olds: Properties,
        news: Properties,
        services: Services,
    ) -> Properties:
        """After a partial failure: wait on for it to become active."""
        return self.create(news, services)[1]

    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """Terminate it. One that somebody locked is left alone: that lock is not ours."""
        found = services.client.instance(int(resource_id))
        if found is not None:
            if found.locked:
                raise Refused(
                    f"server {resource_id} ({found.name}) is locked",
                    remedy="unlock it in the Hostwinds portal if it shall really go",
                )
            services.client.terminate(found.service_id)
        services.buyer.forget_instance(str(state["serverName"]))


class SecondaryAddress(Resource):
    """A further IPv4 address. No documented call buys one: it is adopted when it appears."""

    token = "hostwinds:index:SecondaryAddress"  # noqa: S105
    inputs: ClassVar[dict[str, type]] = {"serviceId": int, "name": str}
    outputs: ClassVar[dict[str, type]] = {"address": str}
    replacing = ("serviceId", "name")
    delete_first = True

    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Ask for it and wait a little; what must wait longer is kept and looked at again."""
        service_id, name = int(news["serviceId"]), str(news["name"])
        resource_id = f"{service_id}/{name}"
        try:
            address = services.buyer.address(service_id, name, services.progress)
        except StillPending as pending:
            raise PartlyDone(resource_id, {"address": ""}, str(pending)) from None
        return resource_id, {"address": address}

    def read(
        self, resource_id: str, state: Properties, services: Services
    ) -> tuple[Properties, Properties] | None:
        """See whether the instance still has it."""
        service_id, _, name = resource_id.partition("/")
        address = str(state.get("address") or "")
        if address and address not in services.client.addresses(int(service_id)):
            return None
        return {"serviceId": int(service_id), "name": name}, {"address": address}

    def update(
        self,
        resource_id: str,
        olds: Properties,
        news: Properties,
        services: Services,
    ) -> Properties:
        """Look again."""
        return self.create(news, services)[1]

    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """Give it back to the provider's pool."""
        service_id, _, name = resource_id.partition("/")
        address = str(state.get("address") or "")
        if address and address in services.client.addresses(int(service_id)):
            services.client.release_address(int(service_id), address)
        services.buyer.forget_address(int(service_id), name)


class ReverseDns(Resource):
    """The PTR of an address. The API cannot read it back, so it is what we set last."""

    token = "hostwinds:index:ReverseDns"  # noqa: S105
    inputs: ClassVar[dict[str, type]] = {"serviceId": int, "address": str, "hostname": str}
    replacing = ("serviceId", "address")

    def mistakes(self, news: Properties) -> list[tuple[str, str]]:
        """An address in numbers, a full host name."""
        found = []
        try:
            ipaddress.IPv4Address(news["address"])
        except ValueError:
            found.append(("address", "must be an IPv4 address"))
        if not HOSTNAME.fullmatch(str(news["hostname"])):
            found.append(("hostname", "must be a full lower-case host name: mx1.acme.example"))
        return found

    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Set it."""
        services.client.set_pointer(int(news["serviceId"]), news["address"], news["hostname"])
        return str(news["address"]), {}

    def read(
        self, resource_id: str, state: Properties, services: Services
    ) -> tuple[Properties, Properties] | None:
        """It lives as long as its instance has the address."""
        if resource_id not in services.client.addresses(int(state["serviceId"])):
            return None
        return {key: state[key] for key in self.inputs}, {}

    def update(
        self,
        resource_id: str,
        olds: Properties,
        news: Properties,
        services: Services,
    ) -> Properties:
        """Set it anew."""
        return self.create(news, services)[1]

    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """Nothing: it goes with the address, and an empty name is not documented."""


class Firewall(Resource):
    """The provider's firewall profile of an instance."""

    token = "hostwinds:index:Firewall"  # noqa: S105
    inputs: ClassVar[dict[str, type]] = {"serviceId": int, "profile": str}
    replacing = ("serviceId",)

    def create(self, news: Properties, services: Services) -> tuple[str, Properties]:
        """Set it; one that locks us out is refused."""
        services.client.set_firewall(int(news["serviceId"]), str(news["profile"]))
        return str(int(news["serviceId"])), {}

    def read(
        self,
        resource_id: str,
        state: Properties,
        services: Services,
    ) -> tuple[Properties, Properties] | None:
        """See which profile it has."""
        if services.client.instance(int(resource_id)) is None:
            return None
        profile = services.client.firewall(int(resource_id)).name
        return {"serviceId": int(resource_id), "profile": profile}, {}

    def update(
        self,
        resource_id: str,
        olds: Properties,
        news: Properties,
        services: Services,
    ) -> Properties:
        """Set another."""
        return self.create(news, services)[1]

    def delete(self, resource_id: str, state: Properties, services: Services) -> None:
        """Nothing: an instance always has one, and this one lets us in."""


RESOURCES: dict[str, Resource] = {
    resource.token: resource
    for resource in (Instance(), SecondaryAddress(), ReverseDns(), Firewall())
}
