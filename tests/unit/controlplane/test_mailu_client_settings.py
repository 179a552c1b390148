"""What people enter into mail clients, and what these find by themselves."""

from __future__ import annotations

from controlplane.mailu.client_settings import services, settings_of

HOST = "mx1.acme.example"


def test_clients_find_imap_and_submission_with_tls_and_nothing_else() -> None:
    found = services("acme.example", HOST)
    shown = {each.name: (each.priority, each.weight, each.port, each.target) for each in found}
    assert shown == {
        "_imaps._tcp.acme.example": (0, 1, 993, HOST),
        "_submissions._tcp.acme.example": (0, 1, 465, HOST),
        "_imap._tcp.acme.example": (0, 0, 0, "."),
        "_pop3._tcp.acme.example": (0, 0, 0, "."),
        "_pop3s._tcp.acme.example": (0, 0, 0, "."),
        "_submission._tcp.acme.example": (0, 0, 0, "."),
    }


def test_settings_name_the_whole_address_and_warn_of_passwords() -> None:
    found = settings_of("ann@acme.example", HOST)
    assert found.user == "ann@acme.example"
    assert (found.imap_host, found.imap_port) == (HOST, 993)
    assert (found.submission_host, found.submission_port) == (HOST, 465)
    assert "Use a token" in found.warning
