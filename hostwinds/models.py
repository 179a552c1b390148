"""The provider's objects, with the fields in use; others are ignored."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

LAB = IPv4Network("198.18.0.0/15")
"""Benchmarking (RFC 2544): what an emulated provider sells; no other one does."""


def public_address(value: Any) -> str | None:
    """Return a public unicast IPv4 address, None for anything else.

    The provider's lists mix families; entries may be private, empty or have a prefix length.
    """
    address = host_address(value)
    return None if address is None or IPv4Address(address).is_loopback else address


def host_address(value: Any) -> str | None:
    """Return an address by which a server is reached: a public one, or of this machine in a lab."""
    try:
        address = IPv4Address(value.strip() if isinstance(value, str) else "")
    except ValueError:
        return None
    reachable = address.is_global or address in LAB or address.is_loopback
    return str(address) if reachable and not address.is_multicast else None


SUSPENDED, SHUT_DOWN, FAILED, LOCKED = "suspended", "shut down", "in error", "locked"
"""Troubles of a server."""


class Instance(BaseModel):
    """One VPS. Holds neither root password nor configuration key."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, coerce_numbers_to_str=True
    )

    service_id: int = Field(alias="serviceid", gt=0)
    account: str = Field(alias="userid", default="")
    """The provider's number of the account that owns it."""
    name: str = Field(alias="srvrname", default="")
    main_ip: str = ""
    addresses: tuple[str, ...] = Field(alias="ips", default=())
    status: str = ""
    task_state: str | None = None
    suspended: bool = Field(alias="is_suspended", default=False)
    locked: bool = False
    cpu: int = 0
    ram: int = 0
    disk: int = 0
    location_id: int = 0
    cycle: str = Field(alias="billingcycle", default="")
    image: str = ""

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: Any) -> Any:
        """Take empty fields as absent: those of a new instance are set one by one."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value not in (None, "")}

    @field_validator("main_ip", mode="before")
    @classmethod
    def _main_ip(cls, value: Any) -> Any:
        """Take an address of another kind as not assigned yet."""
        return host_address(value) or ""

    @field_validator("addresses", mode="before")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        """Accept a list, or the comma-separated text of the short object, of addresses."""
        values = value.split(",") if isinstance(value, str) else value
        values = list(values.values()) if isinstance(values, dict) else values
        return tuple(filter(None, map(host_address, values))) if isinstance(values, list) else ()

    @field_validator("cpu", "ram", "disk", "location_id", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        """Take what is no number as not known: only an import needs these."""
        return value if str(value).isdecimal() else 0

    @field_validator("image", mode="before")
    @classmethod
    def _image(cls, value: Any) -> Any:
        """Return the name in the object."""
        return value.get("name", "") if isinstance(value, dict) else ""

    @field_validator("status")
    @classmethod
    def _status(cls, value: str) -> str:
        return value.lower()

    @property
    def is_active(self) -> bool:
        """Return whether it runs, has its address, and no task is running."""
        return self.status == "active" and not self.task_state and bool(self.main_ip)

    @property
    def trouble(self) -> str:
        """Return why it does not run, or may not be changed, in a word or two; empty: neither."""
        if self.suspended or self.status == "suspended":
            return SUSPENDED
        if self.status in ("shutoff", "stopped", "paused"):
            return SHUT_DOWN
        if self.status == "error":
            return FAILED
        return LOCKED if self.locked else ""

    @property
    def has_failed(self) -> bool:
        """Return whether it failed or is suspended."""
        return self.status in ("error", "suspended") or self.suspended
