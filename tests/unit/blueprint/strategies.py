"""A hypothesis strategy for tenants."""

from __future__ import annotations

from string import ascii_lowercase, digits
from typing import Any

from hypothesis import strategies as st

NAMES = st.builds(
    "{}{}".format, st.sampled_from(ascii_lowercase), st.text(ascii_lowercase + digits, max_size=8)
).filter(lambda name: name not in {"b", "out", "customers", "u"})


@st.composite
def tenants(draw: st.DrawFn) -> dict[str, Any]:
    """A valid document as plain data."""
    domains = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    kinds = [draw(st.sampled_from(["cloudflare", "manual"])) for _ in domains]
    ours = [f"{d}.example" for d, k in zip(domains, kinds, strict=True) if k == "cloudflare"]
    hosts = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    return {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": draw(NAMES)},
        "spec": {
            "plan": "enterprise",
            "region": draw(st.sampled_from(["us-west", "us-central", "eu-west"])),
            "hosts": [
                {
                    "name": host,
                    "size": draw(st.sampled_from(["starter", "professional", "business"])),
                    "addresses": draw(st.integers(1, 5)),
                    "zone": draw(st.sampled_from([*ours, None])),
                }
                for host in hosts
            ],
            "domains": [
                {"name": f"{d}.example", "dns": k} for d, k in zip(domains, kinds, strict=True)
            ],
            "mailboxes": [{"address": f"sales@{domains[0]}.example"}],
            "sending": {"postal_address": "Acme Inc., Springfield"},
        },
    }
