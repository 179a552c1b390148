"""The faults of servers that are ordered and not active, with the server where it is listed."""

from __future__ import annotations

from datetime import datetime

from hostwinds.faults import NOT_ACTIVE, PROVISIONING, Unfinished
from hostwinds.models import Instance
from kit.faults import Fault


def not_active(instance: Instance, status: str) -> Unfinished:
    """Return NOT_ACTIVE with the instance, which must not be forgotten."""
    template = NOT_ACTIVE(service_id=instance.service_id, name=instance.name, status=status)
    return _unfinished(template, instance)


def provisioning(name: str, until: datetime, instance: Instance | None) -> Unfinished:
    """Return PROVISIONING of a server, with its instance if it is listed."""
    status = (instance.status or "new") if instance else "not listed yet"
    fault = PROVISIONING(name=name, status=status, until=f"{until:%Y-%m-%d %H:%M:%S}")
    return _unfinished(fault, instance)


def _unfinished(template: Fault, instance: Instance | None) -> Unfinished:
    fault = Unfinished(template.code, template.message, template.remedy)
    fault.instance = instance
    return fault
