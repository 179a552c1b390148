"""Tenant documents for tests, and their rendered blueprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blueprint.document import Blueprint, Dkim, PublicKeys
from blueprint.loading import load
from blueprint.platform import Platform
from blueprint.render import render
from blueprint.tenant import DomainSpec, HostSpec
from tests.support.installation import PLATFORM

TEXT = """
apiVersion: penguinmails.dev/v1
kind: Tenant
metadata: {name: acme}
spec:
  plan: business
  region: us-west
  hosts: [%s]
  domains: [%s]
  sending: {postal_address: "Acme Inc., 1 Main Street, Springfield"}
"""


def tenant(*hosts: str, domains: str) -> str:
    """Return a tenant's text; a host is `name@zone`, or `name@zone*2` with two addresses.

    Hosts have no mail server: most tests are about none.
    """
    items = []
    for host in hosts:
        name, _, location = host.partition("@")
        zone, _, addresses = location.partition("*")
        size, count = "size: business, mail: none", addresses or 1
        items.append(f"{{name: {name}, {size}, zone: {zone}, addresses: {count}}}")
    return TEXT % (", ".join(items), ", ".join(f"{{name: {domain}}}" for domain in domains.split()))


def rendered(
    text: str,
    generation: int = 1,
    platform: Platform = PLATFORM,
    draining: Mapping[str, HostSpec] | None = None,
    draining_domains: Sequence[DomainSpec] = (),
) -> Blueprint:
    """Render a tenant's text, with placeholder keys."""
    [source] = load(text, file="tenant.yaml", platform=platform)
    keys = PublicKeys(
        ssh="ssh-ed25519 AAAA penguin",
        dkim={
            domain.name: Dkim(selector="pm202611", public_key="MIIB" * 100)
            for domain in (*source.tenant.spec.domains, *draining_domains)
        },
    )
    return render(
        source.tenant,
        platform=platform,
        keys=keys,
        generation=generation,
        draining=draining,
        draining_domains=draining_domains,
    )
