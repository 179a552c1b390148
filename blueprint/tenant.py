"""The tenant document as operators write it: a short file in the style of kubectl."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue

from blueprint.fields import SEVERAL_LINES, Matching, Whole
from blueprint.mail_address import DOMAIN, MailAddress, OwnAddress, meant_domain

API_VERSION = "penguinmails.dev/v1"

LABEL_PATTERN = r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$"
DOMAIN_PATTERN = f"^{DOMAIN.replace('A-Za-z', 'a-z')}$"
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"
LABEL_KEY_PATTERN = (
    r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
)
LABEL_PREFIX_PATTERN = r"^([^/]{1,253}/)?[^/]+$"


Label = Annotated[
    str,
    Matching(
        LABEL_PATTERN,
        "write a name of at most 30 lower-case letters, digits and hyphens, beginning with a "
        "letter and not ending with a hyphen",
    ),
]
"""A lower-case RFC 1035 label of at most 30 characters: part of host and server names."""

FullName = Matching(
    DOMAIN_PATTERN,
    "write a full domain name in lower case without a final dot, other letters in Punycode (xn--…)",
    meant_domain,
)
DomainName = Annotated[str, Field(max_length=200), FullName]
"""A lower-case fully qualified domain name in Punycode, without the final dot (RFC 1035)."""

LabelKey = Annotated[
    str,
    Matching(
        LABEL_KEY_PATTERN,
        "write at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter "
        "or digit; a domain name and '/' may come before",
    ),
    Matching(LABEL_PREFIX_PATTERN, "use at most 253 characters before the /"),
]
LabelValue = Annotated[
    str,
    Matching(
        LABEL_VALUE_PATTERN,
        "write at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter "
        "or digit, or an empty text",
    ),
]
"""Keys and values of `metadata.labels`, by the rules of Kubernetes."""


Lines = Matching(SEVERAL_LINES, "write text, without control characters other than line ends")
WithLink = Matching(
    r"\{\{ *unsubscribe_url *\}\}", "write {{unsubscribe_url}} where the link should be"
)


class Document(BaseModel):
    """Base of all models that are read from or written to a document: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Written(Document):
    """Base of what people write: a key without a value is left out, as in Kubernetes."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_null(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: value for key, value in data.items() if value is not None or key not in known}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        required = schema.get("required", ())
        properties = schema.get("properties", {})
        schema["properties"] = {
            name: inner if name in required else _or_null(inner)
            for name, inner in properties.items()
        }
        return schema


def _or_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Let the schema of a key that may be left out accept null."""
    if "anyOf" in schema:
        return schema
    annotations = {"title", "description", "default"}
    about = {key: value for key, value in schema.items() if key in annotations}
    rest = {key: value for key, value in schema.items() if key not in about}
    return {"anyOf": [rest, {"type": "null"}], **about}


class Plan(StrEnum):
    """The plans of the catalogue."""

    STARTER = "starter"
    PROFESSIONAL = "professional"
    BUSINESS = "business"
    ENTERPRISE = "enterprise"


class Size(StrEnum):
    """The sizes of a host."""

    STARTER = "starter"
    PROFESSIONAL = "professional"
    BUSINESS = "business"


class Dns(StrEnum):
    """Who writes a domain's records."""

    CLOUDFLARE = "cloudflare"
    MANUAL = "manual"


class DmarcPolicy(StrEnum):
    """The `p=` tag of a DMARC record (RFC 7489)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Warmup(StrEnum):
    """The warm-up curves."""

    CONSERVATIVE = "conservative"
    STANDARD = "standard"
    AGGRESSIVE = "aggressive"


class Language(StrEnum):
    """The languages of the default footer."""

    DE = "de"
    EN = "en"
    ES = "es"
    FR = "fr"
    IT = "it"
    NL = "nl"
    PL = "pl"
    PT = "pt"


class MailboxServer(StrEnum):
    """What has the mailboxes of a host."""

    NONE = "none"
    """Mail for them is kept on the host, and people do not log in."""
    MAILU = "mailu"
    """People log in with mail clients, and write from the host's primary address."""


class Day(StrEnum):
    """The days of a week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


class Repair(StrEnum):
    """What is repaired by itself that others have changed."""

    NEVER = "never"
    DNS = "dns"
    ALL = "all"


class Metadata(Written):
    """What identifies a document."""

    name: Label
    labels: dict[LabelKey, LabelValue] = Field(
        default={}, json_schema_extra={"additionalProperties": False}
    )
    """For selecting tenants, such as `team: mail`; keys and values follow Kubernetes' rules."""


class HostSpec(Written):
    """One VPS of the tenant."""

    name: Label
    size: Size = Size.STARTER
    addresses: Annotated[int, Field(ge=1, le=32, strict=True), Whole] = 1
    """Public IPv4 addresses in all: the primary one that comes with the VPS, and the others."""
    zone: DomainName | None = None
    """Zone of its names: one of the tenant's Cloudflare domains; by default the platform's."""
    mail: MailboxServer | None = None
    """What has its mailboxes. By default what the host has; of a new one `mailu` if the mail of a
    mailbox goes to it, else `none`. `mailu` needs images that an operator has pinned, once for all
    hosts. A host that has `none` can get `mailu`; its mail is moved then. The other way destroys
    what people have there."""
    webmail: bool = False
    """Whether people read their mail in a browser, too, with `mail: mailu`. Takes memory."""


class DomainSpec(Written):
    """One sending domain."""

    name: DomainName
    dns: Dns = Dns.CLOUDFLARE
    zone: DomainName | None = None
    """Zone of its records; by default the longest zone of the account that the domain is in."""
    dmarc: DmarcPolicy = DmarcPolicy.NONE
    catch_all: OwnAddress | None = None
    """The mailbox of all addresses of the domain that are not declared: they may send, and count as
    this mailbox."""


MOST_ALIASES = 50
"""Of one mailbox."""
MOST_FORWARDS = 20
"""Of one mailbox."""

Quota = Annotated[
    str, Matching(r"^[1-9][0-9]{0,4}(MB|GB)$", "write a size such as 500MB or 2GB, without a space")
]
"""A size; a GB is 1000 MB, and a MB is a million bytes."""


class ForwardSpec(Written):
    """Where the mail of a mailbox goes, too."""

    destinations: Annotated[tuple[MailAddress, ...], Field(min_length=1, max_length=MOST_FORWARDS)]
    """Any addresses."""
    keep: bool = True
    """Whether the mailbox keeps its mail as well."""


class MailboxSpec(Written):
    """One mailbox that people and campaigns send from."""

    address: OwnAddress
    """In any case; kept in lower case."""
    daily_cap: Annotated[int, Field(ge=1, le=500, strict=True), Whole] = 50
    """Mails a day; at most 150 are sent, however high it is, and fewer during the warm-up."""
    aliases: Annotated[tuple[OwnAddress, ...], Field(max_length=MOST_ALIASES)] = ()
    """Other addresses of this mailbox, of its domain or of one whose mail goes to the same host: it
    gets their mail; they may send, and count as this mailbox."""
    quota: Quota = "1GB"
    """How much mail it holds, on a host with `mail: mailu`."""
    forward: ForwardSpec | None = None
    """On a host with `mail: mailu`."""


HoursOfDay = Annotated[
    str,
    Matching(
        r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        "write the first and the last hour, such as 09:00-17:00",
    ),
]


class WeeklyHours(Written):
    """Hours of the days of a week."""

    timezone: Annotated[
        str,
        Matching(
            r"^[A-Za-z][A-Za-z0-9+_-]{0,30}(/[A-Za-z0-9+_-]{1,30}){0,2}$",
            "write the name of a time zone, such as Europe/Berlin",
        ),
    ] = "UTC"
    """A name of the IANA time zone database."""
    hours: HoursOfDay = "00:00-24:00"
    """In that time zone; an end that is not after the start is on the next day."""
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = tuple(Day)
    """On which the hours begin."""


class SendingHours(WeeklyHours):
    """When the tenant's mail leaves: a day's mail is spread over these hours."""

    hours: HoursOfDay = "00:00-24:00"
    """In that time zone; an end that is not after the start is on the next day. Replies in a
    thread, transactional mail and operators' mail do not wait for it."""


class SendingSpec(SendingHours):
    """How the tenant's mail is sent."""

    warmup: Warmup = Warmup.STANDARD
    postal_address: Annotated[str, Field(max_length=300), Lines] | None = None
    """Name and postal address of the sender, in one line or several: campaign mail must show it.
    Required of a tenant with mailboxes."""
    footer: Annotated[str, Field(max_length=1000), Lines, WithLink] | None = None
    """Plain text below campaign mail that does not place `{{unsubscribe_url}}` itself; contains
    `{{unsubscribe_url}}`. The postal address follows, unless it contains `{{postal_address}}`. By
    default a sentence in `language`."""
    language: Language = Language.EN
    """Language of the default footer, and of the footer's link in HTML."""


class Maintenance(WeeklyHours):
    """When what others have changed at the providers is repaired."""


ALWAYS = Maintenance()


class TenantSpec(Written):
    """The desired state of the tenant."""

    plan: Plan
    region: Label
    hosts: tuple[HostSpec, ...] = Field(min_length=1)
    domains: tuple[DomainSpec, ...] = Field(min_length=1)
    mailboxes: tuple[MailboxSpec, ...] = ()
    sending: SendingSpec = SendingSpec()
    repair: Repair = Field(default=Repair.DNS, exclude_if=lambda repair: repair is Repair.DNS)
    """What is repaired by itself that others have changed at the providers. `dns`: what costs
    nothing, that is records, reverse names, firewalls, and what follows from another main address.
    `all`: a server that has ended is bought again, too, with what it costs, unless it was ordered
    less than a day before. `never`: nothing before `penguin refresh`."""
    maintenance: Maintenance = Field(default=ALWAYS, exclude_if=lambda hours: hours == ALWAYS)
    """The hours in which it is repaired; `penguin refresh` does so at once."""


class Tenant(Written):
    """The document of a tenant."""

    api_version: Literal["penguinmails.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["Tenant"]
    metadata: Metadata
    spec: TenantSpec
