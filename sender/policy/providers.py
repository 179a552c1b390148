"""Which provider receives the mail of a domain: a table of groups, by MX host and by domain.

A provider judges senders by what all its customers get, so mail is counted by who runs the MX
hosts, not by the recipient's domain. Where a filter stands in front of a
mailbox provider, it is the filter that judges.

Suffixes of google, yahoo, microsoft, apple and mimecast are those of KumoMTA's shaping rules
(github.com/KumoCorp/kumomta, assets/policy-extras/shaping.toml), the others those of the provider's
own instructions for MX records; each is named beside its group.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Provider:
    """A group of receivers that judges as one."""

    name: str
    mx: tuple[str, ...]
    """Names that MX hosts are at or below."""
    domains: tuple[str, ...] = ()
    """Its own domains, which need no look-up."""


PROVIDERS = (
    # support.google.com/a/answer/174125
    Provider("google", ("google.com", "googlemail.com"), ("gmail.com", "googlemail.com")),
    # learn.microsoft.com: external domain name system records for Office 365; inbound SMTP DANE
    Provider(
        "microsoft",
        ("protection.outlook.com", "mx.microsoft", "protection.office365.us", "hotmail.com"),
        ("outlook.com", "hotmail.com", "live.com", "msn.com"),
    ),
    # senders.yahooinc.com: Yahoo, AOL and those whose mail Yahoo runs
    Provider("yahoo", ("yahoodns.net",), ("yahoo.com", "ymail.com", "rocketmail.com", "aol.com")),
    # support.apple.com/102374
    Provider("apple", ("mail.icloud.com",), ("icloud.com", "me.com", "mac.com")),
    # help.proofpoint.com, of Essentials and Protection
    Provider("proofpoint", ("pphosted.com", "ppe-hosted.com", "gpphosted.com", "ppops.net")),
    # community.mimecast.com: gateway host names
    Provider("mimecast", ("mimecast.com", "mimecast.co.za", "mimecast-offshore.com")),
    # campus.barracuda.com: Email Gateway Defense, MX records
    Provider("barracuda", ("barracudanetworks.com", "cudaops.com")),
    # docs.ces.cisco.com
    Provider("cisco", ("iphmx.com",)),
    # techdocs.broadcom.com: Email Security.cloud
    Provider("symantec", ("messagelabs.com",)),
    # docs.trendmicro.com: Email Security, regions
    Provider("trendmicro", ("trendmicro.com", "trendmicro.eu", "trendmicro.co.jp")),
    # docs.sophos.com: Sophos Gateway, MX by region
    Provider("sophos", ("hydra.sophos.com", "reflexion.net")),
    # support.hornetsecurity.com
    Provider("hornetsecurity", ("hornetsecurity.com", "antispameurope.com")),
    # docs.fortinet.com: FortiMail Cloud
    Provider("fortinet", ("fortimailcloud.com",)),
    # developers.cloudflare.com: Email Routing, Area 1
    Provider("cloudflare", ("mx.cloudflare.net", "mxrecord.io")),
    # zoho.com/mail/help: MX records by data centre
    Provider("zoho", ("zoho.com", "zoho.eu", "zoho.in", "zoho.com.au", "zohocloud.ca")),
    # proton.me/support/custom-domain
    Provider("proton", ("protonmail.ch",), ("proton.me", "protonmail.com", "pm.me")),
    # fastmail.help: MX records
    Provider("fastmail", ("messagingengine.com",), ("fastmail.com",)),
    # ionos.com/help, postmaster.gmx.net, postmaster.web.de
    Provider(
        "united-internet",
        ("gmx.net", "web.de", "kundenserver.de", "ionos.com", "ionos.de", "1and1.com"),
        ("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "web.de"),
    ),
    # postmaster.t-online.de
    Provider("telekom", ("t-online.de",), ("t-online.de", "magenta.de")),
    # messagerie.orange.fr/postmaster.html
    Provider("orange", ("orange.fr",), ("orange.fr", "wanadoo.fr")),
    # help.ovhcloud.com
    Provider("ovh", ("ovh.net",)),
    # godaddy.com/help
    Provider("godaddy", ("secureserver.net",)),
    # docs.rackspace.com
    Provider("rackspace", ("emailsrvr.com",)),
    # yandex.com/support/domain
    Provider("yandex", ("yandex.net", "yandex.ru"), ("yandex.ru", "yandex.com")),
    # help.mail.ru
    Provider("mailru", ("mail.ru",), ("mail.ru", "bk.ru", "list.ru", "inbox.ru")),
)
"""Every group; who is in none is `other`."""

NAMES = frozenset((OTHER, *(provider.name for provider in PROVIDERS)))

_BY_SUFFIX = {suffix: provider.name for provider in PROVIDERS for suffix in provider.mx}
_BY_DOMAIN = {domain: provider.name for provider in PROVIDERS for domain in provider.domains}


def own_provider(domain: str) -> str | None:
    """Return the provider of one of its own domains, which needs no look-up."""
    return _BY_DOMAIN.get(domain.lower())


def provider_of(domain: str, mx: Iterable[str]) -> str:
    """Return the provider of a domain with its MX hosts, the preferred one first."""
    found = (_of_host(host.lower().rstrip(".")) for host in mx)
    return own_provider(domain) or next(filter(None, found), OTHER)


def _of_host(host: str) -> str | None:
    labels = host.split(".")
    suffixes = (".".join(labels[start:]) for start in range(len(labels)))
    return next((_BY_SUFFIX[suffix] for suffix in suffixes if suffix in _BY_SUFFIX), None)
