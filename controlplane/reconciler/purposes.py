"""What each secret of a tenant is for; the purpose is also what it is sealed with."""

from __future__ import annotations

SSH = "ssh"
CA = "ca"


def dkim(domain: str) -> str:
    """Return the purpose of a domain's DKIM key; `sender.directory.dkim_context` agrees."""
    return f"dkim/{domain}"


def submission(address: str) -> str:
    """Return the purpose of a submission password; `sender.directory.password_context` agrees."""
    return f"submission/{address}"


def submission_hash(address: str) -> str:
    """Return the purpose of what the host knows of a submission password."""
    return f"submission-hash/{address}"


def certificate(helo: str) -> str:
    """Return the purpose of the TLS key of a host name."""
    return f"certificate/{helo}"
