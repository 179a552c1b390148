"""Reads what came back: a delivery status notification (RFC 3464) with the mail that was sent.

The receiver that returns it has written on that mail what it verified (RFC 8601).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser

FIELD = "Authentication-Results"
_COMMENT = re.compile(r"\([^()]*\)")
_PROPERTY = re.compile(r"([\w.-]+)\s*=\s*(\"[^\"]*\"|\S+)")
_TYPE = re.compile(r"^\s*[\w-]+\s*;\s*")


@dataclass(frozen=True)
class Result:
    """What was verified in one way."""

    method: str
    """`dkim`, `spf`, `dmarc` …"""
    value: str
    properties: Mapping[str, str]
    """Such as `header.d`."""

    @property
    def text(self) -> str:
        """Return it as it was reported, its comment left out."""
        named = [f"{name}={value}" for name, value in self.properties.items() if name in SHOWN]
        return " ".join([f"{self.method}={self.value}", *named])


SHOWN = ("header.d", "header.s", "header.from", "smtp.mailfrom")


@dataclass(frozen=True)
class Returned:
    """A mail that came back."""

    results: tuple[Result, ...]
    status: str
    """Enhanced status code."""
    diagnostic: str
    """What the server that refused it has answered."""
    reporter: str
    """The server that says so."""


def returned(message: Message, own: str) -> Returned:
    """Return what a notification says; what a server named `own` has verified is left out."""
    common, fields = _blocks(message)
    results = [
        result
        for headers in _originals(message)
        for text in headers.get_all(FIELD, [])
        for result in parsed(str(text), own)
    ]
    return Returned(
        tuple(results),
        _value(fields, "Status"),
        _value(fields, "Diagnostic-Code"),
        _value(common, "Reporting-MTA").lower(),
    )


def parsed(text: str, own: str) -> Iterator[Result]:
    """Yield the results of one header, unless it is by the server named `own`."""
    plain = text
    while (shorter := _COMMENT.sub(" ", plain)) != plain:  # comments can be in comments
        plain = shorter
    server, *statements = plain.split(";")
    if server.split() and server.split()[0].lower() == own.lower():
        return
    for statement in statements:
        found = [(name.lower(), value.strip('"')) for name, value in _PROPERTY.findall(statement)]
        if found:
            (method, value), *properties = found
            yield Result(method, value.lower(), dict(properties))


def _parts(message: Message, type_: str) -> Iterator[Message]:
    return (part for part in message.walk() if part.get_content_type() == type_)


def _blocks(message: Message) -> tuple[Message, Message]:
    """Return the fields about the message, and those about the recipient, which are the last."""
    for status in _parts(message, "message/delivery-status"):
        blocks = [each for each in status.get_payload() if isinstance(each, Message)]
        if blocks:
            return blocks[0], blocks[-1]
    return Message(), Message()


def _value(fields: Message, name: str) -> str:
    """Return the value of a field in one line, without its type."""
    return " ".join(_TYPE.sub("", str(fields.get(name, ""))).split())


def _originals(message: Message) -> Iterator[Message]:
    """Yield the headers of the mail that came back: it is there as a whole, or without its body."""
    for part in _parts(message, "message/rfc822"):
        inner = part.get_payload()
        if isinstance(inner, list) and isinstance(inner[0], Message):
            yield inner[0]
    for part in _parts(message, "text/rfc822-headers"):
        yield Parser().parsestr(str(part.get_payload()), headersonly=True)
