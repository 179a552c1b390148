"""Purposes of a tenant's secrets; each is part of the context that its secret is sealed with."""

from __future__ import annotations

SSH = "ssh"
CA = "ca"


def dkim(domain: str) -> str:
    """Return the purpose of a domain's DKIM key; matches `sender.directory.dkim_context`."""
    return f"dkim/{domain}"


def submission(address: str) -> str:
    """Return the purpose of a submission password; matches `sender.directory.password_context`."""
    return f"submission/{address}"


def submission_hash(address: str) -> str:
    """Return the purpose of the hash of a submission password, for the host."""
    return f"submission-hash/{address}"


def certificate(helo: str) -> str:
    """Return the purpose of the TLS key of a host name."""
    return f"certificate/{helo}"
