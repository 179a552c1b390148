"""The provider's firewall in front of a server: profiles found by name, judged by their rules.

A profile lets through only what its rules allow. The API can choose profiles and read their rules;
they are made and changed in the portal only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hostwinds.faults import (
    FIREWALL_PROFILE_AMBIGUOUS,
    FIREWALL_PROFILE_LACKS,
    FIREWALL_PROFILE_MISSING,
    NOT_IN_EFFECT,
)

SSH = "22/tcp"
OPEN_PROFILE = "default"
"""The provider's own profile, which admits SSH, HTTP and HTTPS, and no mail."""
ANY = ("none", "", "any", "all", "-1")
EVERYWHERE = (None, "", "0.0.0.0/0", "::/0")
NUMBERS = {"6": "tcp", "17": "udp", "1": "icmp"}


class Rule(BaseModel):
    """One rule of a profile; None is every protocol or port."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    direction: str
    ethertype: str | None = None
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    """Undocumented, and usual in OpenStack: where the other side may be."""

    @field_validator("ethertype", "protocol", "port_range_min", "port_range_max", mode="before")
    @classmethod
    def _any(cls, value: Any) -> Any:
        return None if str(value).lower() in ANY else value

    @field_validator("protocol", mode="before")
    @classmethod
    def _protocol(cls, value: Any) -> Any:
        return None if value is None else NUMBERS.get(str(value), str(value).lower())

    def allows(self, direction: str, port: str) -> bool:
        """Return whether it lets `25/tcp` over IPv4 pass in a direction."""
        number, _, protocol = port.partition("/")
        if self.direction.lower() != direction or (self.ethertype or "IPv4").lower() != "ipv4":
            return False
        if self.protocol not in (None, protocol) or self._is_for_some_only:
            return False
        ends = [end for end in (self.port_range_min, self.port_range_max) if end is not None]
        return not ends or min(ends) <= int(number) <= max(ends)

    @property
    def _is_for_some_only(self) -> bool:
        return self.remote_ip_prefix not in EVERYWHERE or bool(self.remote_group_id)


class FirewallProfile(BaseModel):
    """A named set of rules."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    rules: tuple[Rule, ...] = Field(alias="security_group_rules", default=())

    @field_validator("rules", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """PHP prints a list with gaps as an object, and may print none for an empty one."""
        return tuple(value.values()) if isinstance(value, dict) else value or ()


@dataclass(frozen=True)
class Needs:
    """What must pass: TCP or UDP ports as `25/tcp`."""

    inbound: tuple[str, ...]
    outbound: tuple[str, ...] = ()


@dataclass(frozen=True)
class Firewall:
    """The profiles of a server; their rules add up."""

    profiles: tuple[FirewallProfile, ...]

    @property
    def name(self) -> str:
        """The names of its profiles."""
        return ", ".join(profile.name for profile in self.profiles)

    def allows(self, direction: str, port: str) -> bool:
        """Return whether any rule lets a port pass."""
        rules = (rule for profile in self.profiles for rule in profile.rules)
        return any(rule.allows(direction, port) for rule in rules)

    def lacks(self, needs: Needs) -> list[str]:
        """List what does not pass: `25/tcp in`."""
        wanted = [("ingress", "in", port) for port in needs.inbound]
        wanted += [("egress", "out", port) for port in needs.outbound]
        return [
            f"{port} {word}" for direction, word, port in wanted if not self.allows(direction, port)
        ]


class Profiles(Protocol):
    """The calls of the API's client that concern firewall profiles."""

    def firewall_profiles(self) -> list[str]:
        """List the names of the account's profiles."""

    def firewall(self, service_id: int) -> Firewall:
        """Return the profiles of a server."""

    def choose_firewall(self, service_id: int, name: str) -> None:
        """Choose a profile by its whole name; what then applies must be read."""


def find(profiles: Sequence[str], wanted: str, needs: Needs) -> str:
    """Return the one name that is `wanted`, or ends in it: the portal puts an identifier before it.

    Raises FIREWALL_PROFILE_MISSING or FIREWALL_PROFILE_AMBIGUOUS.
    """
    equal = [name for name in profiles if name.lower() == wanted.lower()]
    found = equal or [name for name in profiles if name.lower().endswith(wanted.lower())]
    if not found:
        offered = ", ".join(sorted(profiles)) or "none"
        inbound = ", ".join(needs.inbound)
        raise FIREWALL_PROFILE_MISSING(profile=wanted, offered=offered, inbound=inbound)
    if len(found) > 1:
        raise FIREWALL_PROFILE_AMBIGUOUS(profile=wanted, names=", ".join(sorted(found)))
    return found[0]


def protect(client: Profiles, service_id: int, wanted: str, needs: Needs) -> str:
    """Give a server a profile, judge it by its rules, and return its whole name.

    A profile that lets less pass than the one before is not kept, and none without SSH: an
    interrupted run may have left one. Raises FIREWALL_PROFILE_LACKS, or NOT_IN_EFFECT.
    """
    name = find(client.firewall_profiles(), wanted, needs)
    before = client.firewall(service_id)
    client.choose_firewall(service_id, name)
    after = client.firewall(service_id)
    lacks = after.lacks(needs)
    if not lacks:
        return name
    if name not in {profile.name for profile in after.profiles}:
        what = f"it keeps firewall profile {after.name}"
        raise NOT_IN_EFFECT(service_id=service_id, what=what)
    if len(before.lacks(needs)) < len(lacks) and before.allows("ingress", SSH):
        client.choose_firewall(service_id, before.profiles[0].name)
    elif not after.allows("ingress", SSH):
        client.choose_firewall(service_id, OPEN_PROFILE)
    raise FIREWALL_PROFILE_LACKS(profile=name, service_id=service_id, lacks=", ".join(lacks))
