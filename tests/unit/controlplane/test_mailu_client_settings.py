"""What people enter into mail clients."""

from __future__ import annotations

from controlplane.mailu.client_settings import settings_of

HOST = "mx1.acme.example"


def test_settings_name_the_whole_address_and_warn_of_passwords() -> None:
    found = settings_of("ann@acme.example", HOST)
    assert found.user == "ann@acme.example"
    assert (found.imap_host, found.imap_port) == (HOST, 993)
    assert (found.submission_host, found.submission_port) == (HOST, 465)
    assert "Use a token" in found.warning
