"""Faults of records and mail ports, as observed from outside."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("verification", "Records and mail ports as observed from the Internet")

LOOKUP_FAILED = FAULTS.code(
    "dns.lookup_failed",
    message="{question} cannot be looked up: {reason}",
    remedy="repair the name servers that are named, or wait: the look-up is repeated",
    cause="No name server gave a definite answer, each for its own reason.",
    example={
        "question": "acme.example MX",
        "reason": "ns1.acme.example (198.51.100.7) answers NOTAUTH",
    },
    retryable=True,
    acts=Actor.NOBODY,
)
NO_ANSWER = FAULTS.code(
    "dns.no_answer",
    message="{server} does not answer about {question}: {reason}",
    remedy="start the server; if it answers others, open UDP port 53 to it from here; a zone's "
    "server that is gone is removed at the registrar, a recursive one is replaced by "
    "PENGUIN_VERIFICATION__RESOLVER",
    cause="The name server is down, or its packets do not arrive.",
    example={
        "server": "ns2.acme.example (198.51.100.7)",
        "question": "acme.example MX",
        "reason": "nothing within 4 s",
    },
    retryable=True,
)
TCP_CLOSED = FAULTS.code(
    "dns.tcp_closed",
    message="{server} cannot be asked by TCP, and its answer about {question} is too long for UDP",
    remedy="open TCP port 53 to it from here, as RFC 7766 demands of every network",
    cause="A firewall admits DNS by UDP only, so long answers such as DKIM keys do not arrive.",
    example={
        "server": "ns1.acme.example (198.51.100.7)",
        "question": "pm1._domainkey.acme.example TXT",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
SERVER_FAILED = FAULTS.code(
    "dns.server_failed",
    message="{server} answers about {question} that it failed (SERVFAIL)",
    remedy="wait; if it persists, find the reason in the log of that server: a recursive one "
    "reports a failure of the zone's own servers this way",
    cause="The name server could not load the zone, or reach the servers that know the answer.",
    example={"server": "the recursive name server", "question": "acme.example MX"},
    retryable=True,
)
REFUSED = FAULTS.code(
    "dns.refused",
    message="{server} refuses to answer about {question}",
    remedy="set the zone up on that server, or remove it from the zone's name servers at the "
    "registrar; a recursive server has to admit this machine",
    cause="The name server does not serve the zone, or does not serve this machine.",
    example={"server": "ns2.acme.example (198.51.100.7)", "question": "acme.example MX"},
    retryable=True,
)
LAME = FAULTS.code(
    "dns.lame",
    message="{server} is not authoritative for {zone}",
    remedy="set {zone} up on that server, or remove it from the zone's name servers at the "
    "registrar",
    cause="The registrar lists a name server that does not have the zone.",
    example={"server": "ns2.acme.example (198.51.100.7)", "zone": "acme.example"},
    retryable=True,
)
NO_ADDRESS = FAULTS.code(
    "dns.server_without_address",
    message="{server}, a name server of {zone}, has no address: {reason}",
    remedy="give {server} an A record, or remove it from the name servers of {zone} at the "
    "registrar",
    cause="A name server's own name does not resolve, so nobody can ask it.",
    example={
        "server": "ns2.acme.example",
        "zone": "acme.example",
        "reason": "it has neither A nor AAAA",
    },
    retryable=True,
)
BOGUS = FAULTS.code(
    "dns.bogus",
    message="{question} has signatures that do not validate (DNSSEC): receivers that validate get "
    "no answer",
    remedy="remove the zone's DS record at its registrar, or replace it by one of the zone's "
    "current key; waiting does not help",
    cause="The DS record at the registrar fits no key of the zone, usually after a change of name "
    "servers, or the signatures have expired.",
    example={"question": "acme.example MX"},
    retryable=True,
)
ALIAS_LOOP = FAULTS.code(
    "dns.alias_loop",
    message="the aliases (CNAME) of {name} lead in a circle or are too many",
    remedy="let {name} be an alias of its target directly",
    cause="A chain of CNAME records does not end.",
    example={"name": "b.acme.example"},
    retryable=True,
)
NO_RESOLVER = FAULTS.code(
    "dns.no_resolver",
    message="this machine has no recursive name server",
    remedy="set PENGUIN_VERIFICATION__RESOLVER to the address of one",
    cause="The machine's configuration names no name server, and the settings do not either.",
    retryable=True,
    acts=Actor.OPERATOR,
)
UNANSWERED = frozenset(
    {
        LOOKUP_FAILED,
        NO_ANSWER,
        TCP_CLOSED,
        SERVER_FAILED,
        REFUSED,
        LAME,
        NO_ADDRESS,
        BOGUS,
        ALIAS_LOOP,
        NO_RESOLVER,
    }
)
"""Nothing definite was answered: this is no statement about the records."""
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
HIDDEN = FAULTS.code(
    "dns.alias_hidden",
    message="{record} does not exist at {server}: the name has addresses, {actual}",
    remedy="{remedy}",
    cause="A CNAME is answered by addresses, as a proxy or flattening of the zone's provider does, "
    "or the name is in use for another service.",
    example={
        "record": "b.acme.example CNAME",
        "server": "ns1.acme.example (198.51.100.7)",
        "actual": "203.0.113.9",
        "remedy": "set b.acme.example CNAME b.acme.example.customers.penguinmails.example in place "
        "of all other records of the name; if it is set already, turn off its proxy or flattening",
    },
    retryable=True,
)
SEVERAL = FAULTS.code(
    "dns.several",
    message="{record} at {server}: {count} {kind} records, so receivers use none: {actual}",
    remedy="{remedy}",
    cause="Receivers ignore all SPF, DMARC or DKIM records where a name has more than one "
    "(RFC 7208 4.5, RFC 7489 6.6.3, RFC 6376 3.6.2.2).",
    example={
        "record": "acme.example TXT",
        "server": "the recursive name server",
        "count": 2,
        "kind": "SPF",
        "actual": "v=spf1 -all, v=spf1 include:out.mx1.acme.example ~all",
        "remedy": "merge them: v=spf1 a:out.mx1.acme.example -all",
    },
    retryable=True,
)
SPF_ERROR = FAULTS.code(
    "dns.spf_error",
    message="{record} at {server} cannot be evaluated (permerror): {reason}: {actual}",
    remedy="{remedy}",
    cause="An SPF record, or one that it includes, has a mistake or exceeds a limit of RFC 7208.",
    example={
        "record": "acme.example TXT",
        "server": "the recursive name server",
        "reason": "it takes more than 10 look-ups, the last for mx",
        "actual": "v=spf1 include:spf.other.example mx ~all",
        "remedy": "change acme.example TXT to v=spf1 a:out.mx1.acme.example ~all",
    },
    retryable=True,
)
SPF_REFUSES = FAULTS.code(
    "dns.spf_refuses",
    message="{record} at {server} does not let {ip} send: {reason}: {actual}",
    remedy="{remedy}",
    cause="The evaluation of an SPF record (RFC 7208) does not pass for an address of the tenant.",
    example={
        "record": "acme.example TXT",
        "server": "the recursive name server",
        "ip": "198.51.100.7",
        "reason": "fail by -all of acme.example",
        "actual": "v=spf1 mx -all",
        "remedy": "change acme.example TXT to v=spf1 a:out.mx1.acme.example mx -all",
    },
    retryable=True,
)
DMARC_INVALID = FAULTS.code(
    "dns.dmarc_invalid",
    message="{record} at {server} is ignored by receivers: {reason}: {actual}",
    remedy="{remedy}",
    cause="The record is no DMARC record by its tags (RFC 7489 6.3).",
    example={
        "record": "_dmarc.acme.example TXT",
        "server": "the recursive name server",
        "reason": "its tag p= is none of none, quarantine, reject",
        "actual": "v=DMARC1; p=monitor",
        "remedy": "wait 300 s: older answers are still cached",
    },
    retryable=True,
)
DKIM_INVALID = FAULTS.code(
    "dns.dkim_invalid",
    message="{record} at {server} verifies no signature of ours: {reason}: {actual}",
    remedy="{remedy}",
    cause="The DKIM record has another key than the one that signs, or is not valid "
    "(RFC 6376 3.6.1).",
    example={
        "record": "pm1._domainkey.acme.example TXT",
        "server": "ns1.acme.example (198.51.100.7)",
        "reason": "the key is revoked: p= is empty",
        "actual": "v=DKIM1; p=",
        "remedy": "wait: the next pass writes it; if it persists, find out what changes it",
    },
    retryable=True,
)
REWRITTEN = (MISSING, DIFFERENT, DKIM_INVALID)
"""What is wrong with a record that its provider is asked for, and that is written again."""
PTR_DIFFERENT = FAULTS.code(
    "dns.ptr_different",
    message="the reverse name of {ip} should be {name} and is {actual}",
    remedy="wait: the reverse name of a new address appears within a day, and one that was changed "
    "is set again once a day; if it persists, find out what changes it at the provider",
    cause="The address has no reverse name, the provider's or its former owner's. Large receivers "
    "refuse mail from it.",
    example={
        "ip": "198.51.100.7",
        "actual": "vps7.provider.example",
        "name": "mx1-1.acme.example",
    },
    retryable=True,
    acts=Actor.NOBODY,
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
LINKS_ELSEWHERE = FAULTS.code(
    "links.elsewhere",
    message="{name} leads to {actual}, not to {expected}",
    remedy="wait if its record was just written or set; else set it as the list of records says",
    cause="The name for links in mail does not lead to the public endpoints, so links have the "
    "platform's host.",
    example={"name": "u.acme.example", "actual": "nowhere", "expected": "192.0.2.80"},
    retryable=True,
)
LINKS_NOT_SERVED = FAULTS.code(
    "links.not_served",
    message="{url} is not answered by the public endpoints: {reason}",
    remedy="wait if its certificate is being issued; else make port 443 of "
    "PENGUIN_PLATFORM__PUBLIC_ADDRESS reach the part `public`",
    cause="The name for links in mail leads to the public address, but what recipients would see "
    "there is not what it should be, so links have the platform's host.",
    example={"url": "https://u.acme.example", "reason": "connection refused"},
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
    cause="STARTTLS is not offered, or with another certificate: at port 587 it should be of the "
    "tenant's own authority, at port 25 of the public authority that has issued one.",
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
EXPOSED = FAULTS.code(
    "ports.exposed",
    message="{ip}: ports answer that are not in the host's list: {ports}",
    remedy="close them on the host (what Docker publishes, its nftables) and in the provider's "
    "firewall",
    cause="What only parts of the host should reach can be reached from outside: Docker's API "
    "gives the host away, and Mailu's application its keys. Mail flows as before.",
    example={"ip": "198.51.100.7", "ports": "2375 (Docker's API), 8080 (Mailu's application)"},
    retryable=True,
    acts=Actor.OPERATOR,
)
SHUT = FAULTS.code(
    "ports.shut",
    message="{ip}: ports of the host's list do not answer within {seconds:g} s: {ports}",
    remedy="look whether their services run, and whether the provider's firewall lets them in",
    cause="A port that the host's list has is closed or filtered for the control plane.",
    example={"ip": "198.51.100.7", "ports": "443, 993", "seconds": 2},
    retryable=True,
    acts=Actor.OPERATOR,
)
SEEN_BY_ITSELF = FAULTS.code(
    "smtp.seen_by_itself",
    message="{port}: is right as the host itself sees it",
    remedy="open outbound port 25 of the control plane, or give the tenant a second host",
    cause="The control plane cannot open port 25, and the tenant has no other host that can.",
    example={"port": "198.51.100.7 port 25"},
    retryable=True,
    acts=Actor.OPERATOR,
)
UNSEEN = FAULTS.code(
    "smtp.unseen",
    message="{port}: cannot be checked: port 25 is closed for the control plane, and no host of "
    "the tenant can be asked: {reason}",
    remedy="open outbound port 25 of the control plane, or make a host reachable by SSH",
    cause="Large clouds close outbound port 25; the check is then made from a host of the tenant.",
    example={"port": "198.51.100.7 port 25", "reason": "mx1: connection refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
