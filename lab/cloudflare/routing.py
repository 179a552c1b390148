"""Email Routing: Cloudflare's own MX, SPF and DKIM records in a customer's zone."""

from __future__ import annotations

from typing import Any

LOCKED = {"email_routing": True, "read_only": True}
UNLOCKED = {"email_routing": True}
SERVERS = (("route1.mx.cloudflare.net", 7), ("route2.mx.cloudflare.net", 47))
KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAiweykoi+o48IOGuP7GR3X0MOExCUDY"


def is_apex_spf(record: dict[str, Any], zone: str) -> bool:
    """Tell whether enabling replaces this record."""
    text = str(record["content"]).strip('"').lower()
    return (record["name"], record["type"]) == (zone, "TXT") and text.startswith("v=spf1")


def bodies(zone: str) -> list[dict[str, Any]]:
    """Return the records that enabling adds."""
    servers = [
        {"name": zone, "type": "MX", "content": server, "priority": priority, "ttl": 1}
        for server, priority in SERVERS
    ]
    texts = {
        zone: '"v=spf1 include:_spf.mx.cloudflare.net ~all"',
        f"cf2024-1._domainkey.{zone}": f'"v=DKIM1; h=sha256; k=rsa; p={KEY}"',
    }
    return servers + [
        {"name": name, "type": "TXT", "content": text, "ttl": 1} for name, text in texts.items()
    ]
