"""While a domain is made, the host takes no mail: Mailu would refuse what has no mailbox yet."""

from __future__ import annotations

from controlplane.mailu.own_tokens import OwnTokens
from controlplane.mailu.reconciling import Removals, reconcile
from tests.support.mailu_tenants import ACME, ANN

from .conftest import Host


def reconciled(host: Host) -> list[list[str]]:
    """Bring a host to the document; return the domains that it had each time mail was held."""
    held: list[list[str]] = []

    def hold() -> None:
        held.append([each["name"] for each in host.person("GET", "/domain")])

    reconcile(
        host.api(),
        [ACME],
        Removals((), (), lambda _: None, lambda _: None),
        OwnTokens("acme"),
        purge=lambda _: (),
        hold=hold,
        progress=lambda _: None,
    )
    return held


def test_mail_is_held_before_the_first_domain_is_made(host: Host) -> None:
    assert reconciled(host) == [[]]
    assert reconciled(host) == []


def test_mail_is_held_again_when_the_database_was_lost(host: Host) -> None:
    reconciled(host)
    host.person("DELETE", "/domain/acme.example")
    assert reconciled(host) == [[]]
    assert host.person("GET", f"/user/{ANN.address}")["comment"] == "pm:acme"


def test_a_mailbox_alone_holds_no_mail(host: Host) -> None:
    reconciled(host)
    host.person("DELETE", f"/user/{ANN.address}")
    assert reconciled(host) == []
