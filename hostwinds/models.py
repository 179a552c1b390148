"""The provider's objects, with the fields in use; others are ignored."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Instance(BaseModel):
    """One VPS. Holds neither root password nor configuration key."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    service_id: int = Field(alias="serviceid", gt=0)
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

    @field_validator("addresses", mode="before")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        """Accept a list, or the comma-separated text of the short object."""
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value

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
        """Return whether it runs and no task is running."""
        return self.status == "active" and not self.task_state

    @property
    def has_failed(self) -> bool:
        """Return whether it failed or is suspended."""
        return self.status in ("error", "suspended") or self.suspended


class PriceLine(BaseModel):
    """One line of the price list; sizes and prices come as strings."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rid: int
    name: str = ""
    cpu: int
    ram: int
    disk: int
    monthly: float
