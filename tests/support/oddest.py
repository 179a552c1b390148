"""The Hostwinds emulator with every setting as unkind as the provider may be, in seconds."""

from __future__ import annotations

from typing import Any

FORMS: dict[str, Any] = {
    "answers": "documented",
    "json_bodies": "refused",
    "unauthorized_status": 403,
    "status_case": "lower",
    "price_lines": "odd",
    "price_list": "array",
    "catalogue": "by_id",
    "size_unit": "MB",
    "address_lists": "mixed",
    "ips": "text",
    "profile_names": "hw_48213 {name}",
    "profile_list": "by_id",
    "set_firewall": "adds",
}
"""How the provider writes its answers."""
DELAYS: dict[str, Any] = {
    "listed_after": 1,
    "active_after": 1,
    "reachable_after": 2,
    "password_after": 3,
    "pointer_after": 3,
    "attached_after": 1,
    "lands_after": 1,
}
"""What takes minutes or hours in reality."""
