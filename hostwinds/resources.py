"""The classes that Pulumi programs declare; the provider behind them is `hostwinds.provider`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from hostwinds import VERSION


class _Resource(pulumi.CustomResource):
    """Translates property names between snake case and the provider's camel case."""

    def translate_input_property(self, prop: str) -> str:
        """Return `serviceId` for `service_id`."""
        head, *rest = prop.split("_")
        return head + "".join(part.capitalize() for part in rest)

    def translate_output_property(self, prop: str) -> str:
        """Return `service_id` for `serviceId`."""
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in prop)


@dataclass
class InstanceArgs:
    """A VPS. `server_name` is unique in the account and marks ownership."""

    server_name: pulumi.Input[str]
    cpu: pulumi.Input[int]
    ram_mb: pulumi.Input[int]
    disk_gb: pulumi.Input[int]
    location: pulumi.Input[str]
    """The provider's name of the location."""
    image: pulumi.Input[str]
    """The provider's name of the operating system image; it counts when the server is bought."""
    firewall_profile: pulumi.Input[str]
    """Must exist before it is bought; `Firewall` sets it."""
    inbound: pulumi.Input[Sequence[str]]
    """What the profile is to let in, as `25/tcp`: for the message when it does not exist."""
    billing_cycle: pulumi.Input[str] = "monthly"


class Instance(_Resource):
    """A VPS with its primary address."""

    service_id: pulumi.Output[int]
    main_ip: pulumi.Output[str]

    def __init__(
        self, name: str, args: InstanceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = ("service_id", "main_ip")
        super().__init__("hostwinds:index:Instance", name, _props(args, outputs), _options(opts))


@dataclass
class SecondaryAddressArgs:
    """A further IPv4 address of an instance; `name` identifies it."""

    service_id: pulumi.Input[int]
    name: pulumi.Input[str]


class SecondaryAddress(_Resource):
    """An address that is bought in the portal and adopted when it appears."""

    address: pulumi.Output[str]

    def __init__(
        self, name: str, args: SecondaryAddressArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        token = "hostwinds:index:SecondaryAddress"  # noqa: S105
        super().__init__(token, name, _props(args, ("address",)), _options(opts))


@dataclass
class ReverseDnsArgs:
    """The PTR of an address."""

    service_id: pulumi.Input[int]
    address: pulumi.Input[str]
    hostname: pulumi.Input[str]


class ReverseDns(_Resource):
    """The PTR of an address."""

    def __init__(
        self, name: str, args: ReverseDnsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hostwinds:index:ReverseDns", name, _props(args, ()), _options(opts))


@dataclass
class FirewallArgs:
    """The firewall profile of an instance, by name, and the ports that it must let pass."""

    service_id: pulumi.Input[int]
    profile: pulumi.Input[str]
    """The name that it was given in the portal: the API puts an identifier before it."""
    inbound: pulumi.Input[Sequence[str]]
    """As `25/tcp`."""
    outbound: pulumi.Input[Sequence[str]]


class Firewall(_Resource):
    """The provider's firewall profile of an instance."""

    applied: pulumi.Output[str]

    def __init__(
        self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = ("applied",)
        super().__init__("hostwinds:index:Firewall", name, _props(args, outputs), _options(opts))


def _props(args: object, outputs: tuple[str, ...]) -> dict[str, object]:
    """Return the arguments, and the outputs as unknown."""
    return {**vars(args), **dict.fromkeys(outputs)}


def _options(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(version=VERSION))
