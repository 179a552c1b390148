"""Aliases of mailboxes."""

from __future__ import annotations

from typing import Any

import pytest

from blueprint.faults import ALIAS_ELSEWHERE
from blueprint.loading import parse
from blueprint.platform import Platform
from blueprint.render import render
from blueprint.tenant import MOST_ALIASES, Tenant
from kit.faults import Fault
from tests.support.faults import assert_shows, printed
from tests.support.installation import INSTALLATION

PLATFORM = Platform(installation=INSTALLATION, zone="penguinmails.example")


def tenant(*aliases: str, hosts: list[dict[str, str]] | None = None) -> Tenant:
    document: dict[str, Any] = {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": "acme"},
        "spec": {
            "plan": "business",
            "region": "us-west",
            "hosts": hosts or [{"name": "mx1", "zone": "acme.example"}],
            "domains": [
                {"name": "acme.example"},
                {"name": "globex.example"},
                {"name": "acme-mail.example", "dns": "manual"},
            ],
            "mailboxes": [{"address": "sales@acme.example", "aliases": list(aliases)}],
            "sending": {"postal_address": "Acme Inc., Springfield"},
        },
    }
    return parse(document, platform=PLATFORM)


def test_alias_of_another_domain_on_the_same_host_is_kept_in_lower_case() -> None:
    found = render(tenant("Hello@GLOBEX.example"), platform=PLATFORM, keys=None, generation=1)
    assert found.mailboxes[0].aliases == ("hello@globex.example",)


def test_alias_on_another_host_than_its_mailbox_is_refused() -> None:
    hosts = [
        {"name": f"mx{n}", "zone": zone} for n, zone in ((1, "acme.example"), (2, "globex.example"))
    ]
    shown = printed(lambda: tenant("hello@globex.example", hosts=hosts))
    assert_shows(shown, ALIAS_ELSEWHERE, alias="hello@globex.example")


def test_mail_of_a_manual_domain_with_an_alias_comes_to_us() -> None:
    def receives(found: Tenant) -> bool:
        domains = render(found, platform=PLATFORM, keys=None, generation=1).domains
        return next(domain.receives for domain in domains if domain.name == "acme-mail.example")

    assert not receives(tenant())
    assert receives(tenant("hello@acme-mail.example"))


def test_mailbox_has_a_limited_number_of_aliases() -> None:
    with pytest.raises(Fault):
        tenant(*(f"a{number}@acme.example" for number in range(MOST_ALIASES + 1)))
