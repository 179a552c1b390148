"""Objects as Mailu shows them. Of an answer only these fields are kept: others hold hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from controlplane.mailu.names import ascii_address, ascii_domain


def _text(value: Any) -> Any:
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_text)]
"""A text; null is an empty one."""
DomainText = Annotated[str, AfterValidator(ascii_domain)]
AddressText = Annotated[str, AfterValidator(ascii_address)]


class Shown(BaseModel):
    """What every object has."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    comment: Text = ""

    @property
    def key(self) -> str:
        """Return the name or address that leads to it."""
        raise NotImplementedError


class Named(Shown):
    """An object with the name of a domain."""

    name: DomainText

    @property
    def key(self) -> str:
        """Return its name."""
        return self.name


class Addressed(Shown):
    """An object with a mail address."""

    email: AddressText

    @property
    def key(self) -> str:
        """Return its address."""
        return self.email


class Domain(Named):
    """A domain of mailboxes; the list shows its alternatives and its key only one by one."""

    signup_enabled: bool = False
    managers: tuple[AddressText, ...] = ()
    alternatives: tuple[DomainText, ...] = ()
    dns_dkim: str | None = None
    """Its DKIM record as a line of a zone, None without a key."""


class Alternative(Named):
    """A further name of a domain; it has no comment."""

    domain: DomainText


class User(Addressed):
    """A mailbox; its password's hash is left out."""

    enabled: bool
    quota_bytes: int
    quota_bytes_used: int
    forward_enabled: bool
    forward_destination: tuple[str, ...] = ()
    forward_keep: bool
    allow_spoofing: bool
    global_admin: bool


class Alias(Addressed):
    """An address whose mail goes to users of the host."""

    destination: tuple[AddressText, ...] = ()
    wildcard: bool


class Relay(Named):
    """A domain whose mail goes on to another server."""

    smtp: Text = ""


class Token(Addressed):
    """The password of one mail client, without its secret."""

    email: str
    """As it was written: one with capitals leads to no user."""
    id: int
    networks: tuple[str, ...] = Field(default=(), validation_alias="AuthorizedIP")
    created: Text = Field(default="", validation_alias="Created")


Item = TypeVar("Item", bound=Shown)


@dataclass(frozen=True)
class Kind(Generic[Item]):
    """A kind of objects: its path, the field that names one, and what is read of each in lists."""

    name: str
    key: str
    model: type[Item]
    fields: tuple[str, ...]

    def __str__(self) -> str:
        """Return the name for people."""
        return self.name

    @property
    def path(self) -> str:
        """Return the path of the list."""
        return f"/{self.name}"


DOMAIN = Kind("domain", "name", Domain, ("name", "comment", "signup_enabled"))
"""Without `dns_dkim`: a list that shows it reads each key, and blocks logins meanwhile."""
ALTERNATIVE = Kind("alternative", "name", Alternative, ("name", "domain"))
USER = Kind(
    "user",
    "email",
    User,
    (
        "email",
        "comment",
        "enabled",
        "quota_bytes",
        "quota_bytes_used",
        "forward_enabled",
        "forward_destination",
        "forward_keep",
        "allow_spoofing",
        "global_admin",
    ),
)
ALIAS = Kind("alias", "email", Alias, ("email", "comment", "destination", "wildcard"))
RELAY = Kind("relay", "name", Relay, ("name", "comment", "smtp"))
TOKEN = Kind("token", "email", Token, ("id", "email", "comment", "AuthorizedIP", "Created"))
