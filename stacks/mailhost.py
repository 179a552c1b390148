"""A mail host: VPS, secondary addresses, firewall profile, and reverse DNS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from blueprint.document import Host
from blueprint.naming import purchase_name
from hostwinds.resources import (
    Firewall,
    FirewallArgs,
    Instance,
    InstanceArgs,
    ReverseDns,
    ReverseDnsArgs,
    SecondaryAddress,
    SecondaryAddressArgs,
)


def known_or_none(output: pulumi.Output[Any]) -> pulumi.Output[Any]:
    """Return an output, None where its resource failed or waits."""
    return output.recover(lambda _: None)


@dataclass
class MailHostArgs:
    """One host of the blueprint."""

    host: Host


class MailHost(pulumi.ComponentResource):
    """One VPS of a tenant. `addresses` maps the name of an address to its IP."""

    addresses: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: MailHostArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("penguin:index:MailHost", name, {}, opts)
        host = args.host
        options = pulumi.ResourceOptions(parent=self)
        self._host = host
        self.instance = Instance(
            name,
            InstanceArgs(
                server_name=host.server_name,
                cpu=host.cpu,
                ram_mb=host.ram_mb,
                disk_gb=host.disk_gb,
                location=host.location,
                image=host.image,
                firewall_profile=host.firewall.profile,
                inbound=list(host.firewall.inbound),
            ),
            options,
        )
        service = self.instance.service_id
        Firewall(
            name,
            FirewallArgs(
                service_id=service,
                profile=host.firewall.profile,
                inbound=list(host.firewall.inbound),
                outbound=list(host.firewall.outbound),
            ),
            options,
        )
        self.addresses = {host.primary.name: self.instance.main_ip}
        for address in host.addresses[1:]:
            secondary = SecondaryAddress(
                address.name,
                SecondaryAddressArgs(
                    service_id=service, name=purchase_name(host.server_name, address.name)
                ),
                options,
            )
            self.addresses[address.name] = secondary.address
        self.register_outputs({})

    def summary(self) -> dict[str, Any]:
        """Return the host as an output of the stack; `ip` is None while an address waits."""
        return {
            "name": self._host.name,
            "server_name": self._host.server_name,
            "service_id": known_or_none(self.instance.service_id),
            "addresses": [
                {
                    "name": address.name,
                    "ip": known_or_none(self.addresses[address.name]),
                    "helo": address.helo,
                }
                for address in self._host.addresses
            ],
        }

    def declare_reverse_dns(self, forward: Mapping[str, Sequence[pulumi.Resource]]) -> None:
        """Declare each PTR after the A records of its name: the provider requires both to match."""
        for address in self._host.addresses:
            ReverseDns(
                address.name,
                ReverseDnsArgs(
                    service_id=self.instance.service_id,
                    address=self.addresses[address.name],
                    hostname=address.helo,
                ),
                pulumi.ResourceOptions(parent=self, depends_on=list(forward[address.name])),
            )
