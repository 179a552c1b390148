"""Faults of documents, and paths in them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from kit.faults import Fault, Table, Violation

FAULTS = Table("blueprint", "Tenant documents")

INVALID = FAULTS.code(
    "document.invalid",
    message="the document has {mistakes}",
    remedy="correct every value that is listed",
    cause="A tenant's file or a request's body breaks rules; each violation has its own code.",
    example={"mistakes": "2 mistakes"},
    status=422,
)
SYNTAX = FAULTS.code(
    "document.syntax",
    message="the file cannot be read as YAML: {reason}",
    remedy="{remedy}",
    cause="The text is not YAML, is too large, or expands to too many values.",
    example={"reason": "a quoted text has no end", "remedy": "add the closing quote"},
)
UNSUPPORTED = FAULTS.code(
    "document.unsupported",
    message="{construct} is not supported in a document",
    remedy="{remedy}",
    cause="YAML has more than documents need: tags of types, merge keys, keys that are no texts, "
    "and characters that its versions read differently.",
    example={
        "construct": "the merge key <<",
        "remedy": "write out the keys that it merges",
    },
)
EMPTY = FAULTS.code(
    "document.empty",
    message="the file holds no document",
    remedy="write a document that begins with `apiVersion: penguinmails.dev/v1`",
    cause="The file is empty or holds only comments.",
)
NO_TENANT = FAULTS.code(
    "document.no_tenant",
    message="this is a document of another kind: {found}",
    remedy="name a file whose documents have `apiVersion: penguinmails.dev/v1` and `kind: Tenant`",
    cause="Only tenants are applied. A document of another kind is left out of a directory, and "
    "refused where its file is named.",
    example={"found": "v1 ConfigMap"},
)
DUPLICATE_KEY = FAULTS.code(
    "document.duplicate_key",
    message="the key {key} appears a second time",
    remedy="remove one of the two",
    cause="A mapping has the same key twice, so that one of the values would be lost.",
    example={"key": "plan"},
)
UNKNOWN_KEY = FAULTS.code(
    "document.unknown_key",
    message="unknown key {key}",
    remedy="{remedy}",
    cause="The document has no such key at this position.",
    example={"key": "plam", "remedy": "did you mean plan?"},
)
MISSING_KEY = FAULTS.code(
    "document.missing_key",
    message="{key} is missing",
    remedy="add it",
    cause="A key without default is missing.",
    example={"key": "region"},
)
NO_VALUE = FAULTS.code(
    "document.no_value",
    message="{key} has no value",
    remedy="{remedy}",
    cause="Nothing, or null, stands where a value is required.",
    example={"key": "region", "remedy": "write one"},
)
INVALID_VALUE = FAULTS.code(
    "document.invalid_value",
    message="{key} cannot be {value}",
    remedy="{remedy}",
    cause="A value has the wrong type or form, or is out of range.",
    example={
        "key": "plan",
        "value": "gold",
        "remedy": "it should be starter, professional, business or enterprise",
    },
)

RESERVED_NAME = FAULTS.code(
    "tenant.reserved_name",
    message="the name {name} is reserved for the platform",
    remedy="choose another name",
    cause="The platform's own records, or its mailbox in each domain, use this name.",
    example={"name": "customers.penguinmails.example"},
)
UNKNOWN_REGION = FAULTS.code(
    "tenant.unknown_region",
    message="the platform has no region {region}",
    remedy="use one of: {regions}",
    cause="The operator's settings name the regions with the provider's locations.",
    example={"region": "mars", "regions": "eu-west, us-central, us-west"},
)
UNKNOWN_TIMEZONE = FAULTS.code(
    "tenant.unknown_timezone",
    message="there is no time zone {timezone}",
    remedy="use a name of the IANA database, such as Europe/Berlin",
    cause="The time zone of spec.sending is not known.",
    example={"timezone": "Europe/Atlantis"},
)
PLAN_LIMIT = FAULTS.code(
    "tenant.plan_limit",
    message="plan {plan} allows {allowed} domains, the document has {count}",
    remedy="remove domains or choose a larger plan",
    cause="The document has more than its plan allows.",
    example={"plan": "starter", "allowed": 5, "count": 6},
)
TOO_MANY_HOSTS = FAULTS.code(
    "tenant.too_many_hosts",
    message="an SPF record allows {limit} look-ups and each host costs one",
    remedy="use at most {limit} hosts with more addresses each",
    cause="Receivers ignore an SPF record that needs more look-ups (RFC 7208 section 4.6.4).",
    example={"limit": 10},
)
FOREIGN_ZONE = FAULTS.code(
    "tenant.foreign_zone",
    message="{zone} is not one of this tenant's domains with dns: cloudflare",
    remedy="add it to spec.domains with dns: cloudflare, or leave zone out",
    cause="A host's names can only be in a zone whose records we write for this tenant.",
    example={"zone": "x.example"},
)
PLATFORM_DOMAIN = FAULTS.code(
    "tenant.platform_domain",
    message="{domain} belongs to the platform",
    remedy="use a domain of the tenant",
    cause="A sending domain is one of the platform's names, is below one, or has one below it.",
    example={"domain": "penguinmails.example"},
)
PUBLIC_SUFFIX = FAULTS.code(
    "tenant.public_suffix",
    message="{domain} is a public suffix: its subdomains belong to different owners",
    remedy="use a domain that the tenant registered",
    cause="The Public Suffix List (publicsuffix.org) has the domain or zone.",
    example={"domain": "co.uk"},
)
OUTSIDE_ZONE = FAULTS.code(
    "tenant.outside_zone",
    message="{domain} is not in zone {zone}",
    remedy="leave zone out, or write the zone that {domain} is in",
    cause="A domain's zone is the domain itself or one of its parents.",
    example={"domain": "go.acme.example", "zone": "globex.example"},
)
FOREIGN_MAILBOX = FAULTS.code(
    "tenant.foreign_mailbox",
    message="{address} is not in one of this tenant's domains",
    remedy="use one of: {domains}",
    cause="The domain of a mailbox or alias is not listed in spec.domains.",
    example={"address": "sales@other.example", "domains": "acme-mail.example, acme.example"},
)
ALIAS_ELSEWHERE = FAULTS.code(
    "tenant.alias_elsewhere",
    message="{alias} cannot be an alias of {address}: its mail goes to {host}, not to {own}",
    remedy="make it a mailbox of its own, or an alias of one whose mail goes to {host}",
    cause="A mailbox is on the host that gets the mail of its domain: the first by name of those "
    "whose names are in the domain, else of all.",
    example={
        "alias": "sales@globex.example",
        "address": "sales@acme.example",
        "host": "mx2.globex.example",
        "own": "mx1.acme.example",
    },
)
UNDECLARED_CATCH_ALL = FAULTS.code(
    "tenant.undeclared_catch_all",
    message="{address} is no mailbox of this tenant",
    remedy="declare it in spec.mailboxes, or name one of: {mailboxes}",
    cause="A domain's catch_all is not listed in spec.mailboxes.",
    example={"address": "all@acme.example", "mailboxes": "sales@acme.example"},
)
QUOTAS_TOO_LARGE = FAULTS.code(
    "tenant.quotas_too_large",
    message="the mailboxes of host {host} may hold {sum} GB in all, and its disk of {disk} GB has "
    "room for {limit} GB",
    remedy="make quotas smaller, or take a larger host",
    cause="The quotas of a host's mailboxes may be 60 % of its disk together: queues, logs and "
    "containers need the rest.",
    example={"host": "mx1", "sum": 61, "disk": 100, "limit": 60},
)
NO_MAIL_FOR_WEBMAIL = FAULTS.code(
    "tenant.no_mail_for_webmail",
    message="host {host} has webmail, and no mailboxes to which people log in",
    remedy="set `mail: mailu` of that host, or remove `webmail`",
    cause="Webmail is a part of Mailu.",
    example={"host": "mx1"},
)
NO_POSTAL_ADDRESS = FAULTS.code(
    "tenant.no_postal_address",
    message="the tenant has mailboxes and no postal address, which campaign mail must show",
    remedy="set spec.sending.postal_address to the sender's name and postal address",
    cause="Laws such as CAN-SPAM require it; the footer of campaign mail has it.",
)
DUPLICATE = FAULTS.code(
    "tenant.duplicate",
    message="{kind} {name} is listed a second time",
    remedy="remove one of the two",
    cause="Hosts and domains are identified by their names, mailboxes by their addresses, also "
    "by their aliases.",
    example={"kind": "host", "name": "mx1"},
)
NAME_TOO_LONG = FAULTS.code(
    "tenant.name_too_long",
    message="the derived name {name} is longer than {limit} characters",
    remedy="choose a shorter name",
    cause="A record's name that is derived from this value is longer than DNS allows.",
    example={"name": "out.mx1.acme.example", "limit": 253},
)
NAME_COLLISION = FAULTS.code(
    "tenant.name_collision",
    message="the derived name {name} is also derived from {owner}",
    remedy="change one of the two",
    cause="Two values of the document lead to records that cannot have the same name.",
    example={"name": "b.acme.example", "owner": "spec.domains[0].name"},
)

ACROSS_FIELDS = (
    RESERVED_NAME,
    UNKNOWN_REGION,
    UNKNOWN_TIMEZONE,
    PLAN_LIMIT,
    TOO_MANY_HOSTS,
    FOREIGN_ZONE,
    PLATFORM_DOMAIN,
    PUBLIC_SUFFIX,
    OUTSIDE_ZONE,
    FOREIGN_MAILBOX,
    ALIAS_ELSEWHERE,
    UNDECLARED_CATCH_ALL,
    QUOTAS_TOO_LARGE,
    NO_MAIL_FOR_WEBMAIL,
    NO_POSTAL_ADDRESS,
    DUPLICATE,
    NAME_TOO_LONG,
    NAME_COLLISION,
)
"""Rules that need more than one value, or the platform's settings: not in the JSON Schema."""

MOST_SHOWN = 100
"""Violations of one document; a large body can have many thousands."""
Path = tuple[str | int, ...]
"""Keys and indices from the top of a document: `("spec", "hosts", 0, "size")`."""
Located = tuple[Path, Violation]
"""A violation and the value to change."""


def dotted(path: Path) -> str:
    """Print a path as operators write it: `spec.hosts[0].size`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{abbreviated(step)}" if text else abbreviated(step)
    return text


def abbreviated(text: str) -> str:
    """Return a text, truncated if it is long."""
    return text if len(text) <= 60 else f"{text[:57]}…"


def invalid(violations: Iterable[Violation]) -> Fault:
    """Return the fault of a document with its violations, at most `MOST_SHOWN`."""
    found = tuple(islice(violations, MOST_SHOWN + 1))
    if len(found) > MOST_SHOWN:
        return INVALID(mistakes=f"more than {MOST_SHOWN} mistakes", violations=found[:-1])
    count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
    return INVALID(mistakes=count, violations=found)
