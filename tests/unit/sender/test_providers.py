"""Which provider receives a domain's mail."""

from __future__ import annotations

from collections import Counter

import pytest

from sender.policy.providers import PROVIDERS, own_provider, provider_of


@pytest.mark.parametrize(
    ("domain", "mx", "provider"),
    [
        ("gmail.com", [], "google"),
        ("GMail.com", ["mx.elsewhere.example"], "google"),
        ("acme.example", ["ASPMX.L.Google.com.", "alt1.aspmx.l.google.com."], "google"),
        ("acme.example", ["smtp.google.com"], "google"),
        ("acme.example", ["acme-example.mail.protection.outlook.com."], "microsoft"),
        ("acme.example", ["acme-example.o-v1.mx.microsoft."], "microsoft"),
        ("sky.example", ["mx-eu.mail.am0.yahoodns.net."], "yahoo"),
        ("acme.example", ["mx0a-00123.pphosted.com.", "aspmx.l.google.com."], "proofpoint"),
        ("acme.example", ["mail.acme.example.", "eu-smtp-inbound-1.mimecast.com."], "mimecast"),
        ("acme.example", ["d1.ess.uk.barracudanetworks.com."], "barracuda"),
        ("acme.example", ["mail.acme.example."], "other"),
        ("acme.example", ["notgoogle.com.", "google.com.acme.example."], "other"),
        ("acme.example", [], "other"),
        ("acme.example", ["."], "other"),
    ],
)
def test_provider_is_who_runs_the_preferred_known_mx_host(
    domain: str, mx: list[str], provider: str
) -> None:
    assert provider_of(domain, mx) == provider


def test_every_suffix_and_domain_belongs_to_one_provider() -> None:
    names = Counter(name for one in PROVIDERS for name in one.mx)
    domains = Counter(name for one in PROVIDERS for name in one.domains)
    assert max(names.values()) == max(domains.values()) == 1
    assert all(name == name.lower() for name in (*names, *domains))
    assert own_provider("acme.example") is None
