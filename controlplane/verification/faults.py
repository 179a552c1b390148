"""Faults of records and mail ports, as observed from outside."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("verification", "Records and mail ports as observed from the Internet")

LOOKUP_FAILED = FAULTS.code(
    "dns.lookup_failed",
    message="{question} cannot be looked up: {reason}",
    remedy="wait: the look-up is repeated",
    cause="No name server gave a definite answer.",
    example={"question": "acme.example MX", "reason": "the recursive name server does not answer"},
    retryable=True,
    acts=Actor.NOBODY,
)
NOT_DELEGATED = FAULTS.code(
    "dns.not_delegated",
    message="zone {zone} is not delegated to any name server",
    remedy="{remedy}",
    cause="The registrar of the domain lists no name servers for it, or only recently.",
    example={
        "zone": "acme.example",
        "remedy": "enter the name servers that Cloudflare shows for acme.example at its "
        "registrar; a new delegation can take a day to become visible",
    },
    retryable=True,
)
MISSING = FAULTS.code(
    "dns.missing",
    message="{record} does not exist at {server}",
    remedy="{remedy}",
    cause="A record that should exist is missing, or not on all servers yet.",
    example={
        "record": "acme.example MX",
        "server": "the recursive name server",
        "remedy": "wait 300 s: older answers are still cached",
    },
    retryable=True,
)
DIFFERENT = FAULTS.code(
    "dns.different",
    message="{record} at {server} is {actual}, not {expected}",
    remedy="{remedy}",
    cause="A record has other content than it should, or older content is still cached.",
    example={
        "record": "acme.example MX",
        "server": "ns1.acme.example (198.51.100.7)",
        "actual": "10 mail.other.example",
        "expected": "10 mx1-1.acme.example",
        "remedy": "wait: the next pass writes it; if it persists, find out what changes it",
    },
    retryable=True,
)
SEVERAL_SPF = FAULTS.code(
    "dns.several_spf",
    message="{record} at {server}: {count} SPF records, so receivers ignore all of them: {actual}",
    remedy="delete all SPF records of {name} except: {expected}",
    cause="Receivers ignore all SPF records where a name has more than one (RFC 7208 4.5).",
    example={
        "record": "acme.example TXT",
        "server": "the recursive name server",
        "count": 2,
        "actual": "v=spf1 -all, v=spf1 include:out.mx1.acme.example ~all",
        "name": "acme.example",
        "expected": "v=spf1 include:out.mx1.acme.example ~all",
    },
    retryable=True,
)
PTR_DIFFERENT = FAULTS.code(
    "dns.ptr_different",
    message="the reverse name of {ip} should be {name} and is {actual}",
    remedy="set the reverse name of {ip} to {name} at the provider",
    cause="The address has no reverse name, the provider's or its former owner's. Large receivers "
    "refuse mail from it.",
    example={
        "ip": "198.51.100.7",
        "actual": "vps7.provider.example",
        "name": "mx1-1.acme.example",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
PTR_NOT_CONFIRMED = FAULTS.code(
    "dns.ptr_not_confirmed",
    message="{name} does not resolve to {ip}",
    remedy="give {name} an A record of {ip}; if it has one, wait until it is visible",
    cause="A reverse name is valid only if its own record resolves to the address (RFC 1912 2.1).",
    example={"ip": "198.51.100.7", "name": "mx1-1.acme.example"},
    retryable=True,
    acts=Actor.OPERATOR,
)

NO_BANNER = FAULTS.code(
    "smtp.no_banner",
    message="{port}: no banner within {seconds:g} s: {reason}",
    remedy="make the port reachable from here: check the host, its firewall and its provider's",
    cause="The port is closed, filtered, or its server does not answer.",
    example={"port": "198.51.100.7 port 587", "seconds": 5, "reason": "connection refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
WRONG_NAME = FAULTS.code(
    "smtp.wrong_name",
    message="{port}: the {part} has the name {actual}, not {name}",
    remedy="wait: the host is configured and checked again",
    cause="The mail server of an address greets with another name (RFC 5321 4.1.1.1).",
    example={
        "port": "198.51.100.7 port 587",
        "part": "banner",
        "actual": "other.example",
        "name": "mx1-1.acme.example",
    },
    retryable=True,
    acts=Actor.NOBODY,
)
TLS_FAILED = FAULTS.code(
    "smtp.tls_failed",
    message="{port}: {reason}",
    remedy="wait: the host is configured and checked again",
    cause="STARTTLS is not offered, or not with a certificate of the tenant's authority.",
    example={"port": "198.51.100.7 port 587", "reason": "offers no STARTTLS"},
    retryable=True,
    acts=Actor.NOBODY,
)
WRONG_AUTH = FAULTS.code(
    "smtp.wrong_auth",
    message="{port}: {reason}",
    remedy="wait: the host is configured and checked again",
    cause="AUTH is offered before encryption, where passwords can be read, or not after it.",
    example={"port": "198.51.100.7 port 587", "reason": "offers AUTH before encryption"},
    retryable=True,
    acts=Actor.NOBODY,
)
OPEN_RELAY = FAULTS.code(
    "smtp.open_relay",
    message="{port}: relays mail without a login",
    remedy="stop the mail server of this address now; its relay restrictions were changed",
    cause="The host accepts mail without a login for recipients of other domains.",
    example={"port": "198.51.100.7 port 25"},
    retryable=True,
    acts=Actor.OPERATOR,
)
INBOUND_REFUSED = FAULTS.code(
    "smtp.inbound_refused",
    message="{port}: does not accept mail for {recipient}: {reason}",
    remedy="wait: the host is configured and checked again",
    cause="The host refuses mail for one of the tenant's own addresses.",
    example={
        "port": "198.51.100.7 port 25",
        "recipient": "postmaster@acme.example",
        "reason": "550 no such user",
    },
    retryable=True,
    acts=Actor.NOBODY,
)
UNCLEAR = FAULTS.code(
    "smtp.unclear",
    message="{port}: no clear answer: {reason}",
    remedy="wait: it is checked again",
    cause="The host responded with a temporary error, or the connection was lost.",
    example={"port": "198.51.100.7 port 25", "reason": "450 try again later"},
    retryable=True,
    acts=Actor.NOBODY,
)
