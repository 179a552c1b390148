"""API schemas of what people need for their mailbox."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from blueprint.fields import Matching

EXAMPLE: dict[str, Any] = {"name": "Thunderbird"}
TOKEN = EXAMPLE | {"created": "2026-11-24", "networks": []}
SETTINGS: dict[str, Any] = {
    "user": "ann@acme.example",
    "imap_host": "mx1.acme.example",
    "imap_port": 993,
    "submission_host": "mx1.acme.example",
    "submission_port": 465,
    "warning": "…",
}
TOKEN_NAME = Matching(
    r"^[A-Za-z0-9][A-Za-z0-9_ .()+-]{0,59}$",
    "write up to 60 letters, digits, spaces and . _ ( ) + -, beginning with a letter or digit",
)


class TokenRequest(BaseModel):
    """A token to make for a mail client."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: Annotated[str, TOKEN_NAME]
    """By which it is listed and revoked."""


class NewToken(BaseModel):
    """A token that was just made."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE | {"token": "3f9a…"}]})

    name: str
    token: str = Field(repr=False)
    """The password for the mail client; shown only now, and stored nowhere."""


class TokenView(BaseModel):
    """A token of a mailbox."""

    model_config = ConfigDict(json_schema_extra={"examples": [TOKEN]})

    name: str
    created: str
    """The day."""
    networks: list[str]
    """From which it may be used; empty: from everywhere."""


class TokenList(BaseModel):
    """The tokens of a mailbox."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [TOKEN]}]})

    items: list[TokenView]


class NewPassword(BaseModel):
    """A password for the web pages that was just set."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "…"}]})

    password: str = Field(repr=False)
    """Shown only now, and stored nowhere."""


class SettingsView(BaseModel):
    """What a person enters into a mail client; TLS from the first byte for both."""

    model_config = ConfigDict(json_schema_extra={"examples": [SETTINGS]})

    user: str
    imap_host: str
    imap_port: int
    submission_host: str
    submission_port: int
    warning: str
