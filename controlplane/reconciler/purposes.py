"""Purposes of a tenant's secrets; each is part of the context that its secret is sealed with."""

from __future__ import annotations

SSH = "ssh"
CA = "ca"


def dkim(domain: str) -> str:
    """Return the purpose of a domain's DKIM key; matches `sender.directory.dkim_context`."""
    return f"dkim/{domain}"


def people_dkim(domain: str) -> str:
    """Return the purpose of the DKIM key by which Mailu signs a domain's mail."""
    return f"people-dkim/{domain}"


def mailu_token(host: str) -> str:
    """Return the purpose of the token of a Mailu's API."""
    return f"mailu-token/{host}"


def mailu_secret_key(host: str) -> str:
    """Return the purpose of what a Mailu signs sessions with."""
    return f"mailu-secret-key/{host}"


def mailbox_token(domain: str) -> str:
    """Return the purpose of the token of our mailbox in a domain."""
    return f"mailbox-token/{domain}"


def submission(address: str) -> str:
    """Return the purpose of a submission password; matches `sender.directory.password_context`."""
    return f"submission/{address}"


def submission_hash(address: str) -> str:
    """Return the purpose of the hash of a submission password, for the host."""
    return f"submission-hash/{address}"


def certificate(helo: str) -> str:
    """Return the purpose of the TLS key of a host name."""
    return f"certificate/{helo}"
