"""Reads the header fields of a mail file."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from email.errors import InvalidHeaderDefect
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from typing import Any

from blueprint.mail_address import folded
from cli.faults import HEADER_REFUSED
from cli.mail.charsets import codec_of
from kit.faults import Fault

FOLD = re.compile(r"(\r\n|\r|\n)[ \t]+")
WORD = re.compile(r"=\?([^?*\s]*)(?:\*[^?\s]*)?\?([bBqQ])\?([^?\s]*)\?=")
"""An encoded word (RFC 2047), with a language perhaps (RFC 2231 section 5)."""
IDENTIFIER = re.compile(r"<[^<>\s]+>")
COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|\(((?:\\.|[^()\\])*)\)')
"""A comment with its text, or a quoted string, in which there is none."""
FALLBACK = re.compile(
    r';\s*(\w+)\s*=\s*("(?:\\.|[^"\\])*"|[^;"]*)(?=;|$)(?=.*;\s*\1\*)', re.IGNORECASE
)
"""A parameter in ASCII that stands before the same one in full: `filename=a.pdf; filename*=…`."""
UNESCAPED = re.compile(r'\\(?!["\\])')
"""A backslash of a path (of Windows), where it escapes nothing."""
HARMLESS = (
    "encoded word inside quoted string",
    "missing trailing whitespace after encoded-word",
    "end of header inside quoted string",
    "duplicate parameter name; duplicate(s)",
    "parameter entry with no content",
    "Parameter contains name",
    "Parameter marked as extended but",
    "Quoted string value for extended parameter",
    "Missing required charset/lang delimiters",
)
"""What mail programs write, and the library reads right."""
OF_THE_BODY = ("mime-version", "content-type", "content-transfer-encoding", "content-disposition")
LEFT_OUT = re.compile(
    "date|message-id|received|return-path|delivered-to|envelope-to|delivery-date|status|lines|fcc|"
    "dkim-signature|domainkey-signature|authentication-results|received-spf|arc-.*|"
    "list-unsubscribe|list-unsubscribe-post|list-id|feedback-id|"
    "user-agent|thread-index|thread-topic|content-class|content-language|content-length|content-id|"
    "content-description|accept-language|autocrypt|mailer|msip_labels|x-.*"
)
"""Fields that are new in every mail, traces of a delivery, and notes of mail programs."""

registry = HeaderRegistry()


def read(mail: EmailMessage, given: Mapping[str, object]) -> tuple[dict[str, Any], set[str]]:
    """Return the values of the API's fields, and the names of what is left out.

    Fields of the API that are `given` are not read. Raises HEADER_REFUSED.
    """
    content: dict[str, Any] = {}
    left_out: set[str] = set()
    seen: set[str] = set()
    for name, raw in mail.raw_items():
        key = name.lower()
        if key in READERS:
            of_api, read_field = READERS[key]
            if of_api not in given:
                if key in seen:
                    raise refused(name, "it is there twice")
                content |= read_field(name, text_of(name, raw))
        elif LEFT_OUT.fullmatch(key):
            left_out.add(name)
        elif text_of(name, raw).strip():
            raise refused(name, "a message has no such field", "remove it from the file")
        seen.add(key)
    _check_sender(content, given)
    return content, left_out


def refused(name: str, reason: str, remedy: str = "correct it in the file") -> Fault:
    """Return the fault of a header field."""
    return HEADER_REFUSED(name=name, reason=reason, remedy=remedy)


def text_of(name: str, raw: object) -> str:
    """Return a field's text in one line, its encoded words with charsets that Python knows."""
    try:
        text = str(raw).encode("utf-8", "surrogateescape").decode()
    except UnicodeError:
        raise refused(name, "it is neither ASCII nor UTF-8") from None
    unfolded = FOLD.sub(" ", text).strip().replace("\t", " ")

    def normalized(word: re.Match[str]) -> str:
        label, encoding, content = word.groups()
        if encoding in "bB":
            content = _checked(name, content)
        return f"=?{codec_of(label)}?{encoding}?{content}?="

    return WORD.sub(normalized, unfolded)


def _checked(name: str, content: str) -> str:
    """Return base64 with its padding, which some programs leave out."""
    padded = content.rstrip("=")
    padded += "=" * (-len(padded) % 4)
    try:
        base64.b64decode(padded, validate=True)
    except binascii.Error:
        raise refused(name, "an encoded word in it is no base64") from None
    return padded


def field(name: str, raw: object) -> Any:
    """Return the library's reading of a structured field; raises HEADER_REFUSED if it loses some.

    It is also how the library itself reads the fields that describe a part.
    """
    text = FALLBACK.sub("", text_of(name, raw))
    if name.lower().startswith("content-"):
        text = UNESCAPED.sub(r"\\\\", text)
    header = _parsed(name, text)
    for defect in header.defects:
        if isinstance(defect, InvalidHeaderDefect) and not str(defect).startswith(HARMLESS):
            raise refused(name, f"{text!r} is malformed")
    return header


def _parsed(name: str, text: str) -> Any:
    """Return the library's reading of a field whose characters it could decode."""
    try:
        header = registry(name, text)
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - the library fails in many ways on what is no header
        raise refused(name, "it cannot be read") from None
    if "\ufffd" in str(header):
        raise refused(name, "characters of it cannot be decoded")
    return header


def _address(field: str) -> Callable[[str, str], dict[str, Any]]:
    def read_field(name: str, text: str) -> dict[str, Any]:
        found = _addresses(name, text)
        if len(found) > 1:
            remedy = "write one address" if field != "to" else "send it to each with `--to`"
            raise refused(name, f"it has {len(found)} addresses, and a message has one", remedy)
        content = {}
        for address in found:
            content[field] = address.addr_spec
            if display := _display(name, text, address.display_name):
                content[f"{field}_name"] = display
        return content

    return read_field


def _addresses(name: str, text: str) -> tuple[Address, ...]:
    header = field(name, text)
    if any(group.display_name and group.addresses for group in header.groups):
        raise refused(name, "a message has one recipient, and no group", "write the address alone")
    addresses: tuple[Address, ...] = header.addresses
    return addresses


def _display(name: str, text: str, phrase: str) -> str:
    """Return the name of an address, to which a comment belongs: `bob@example.com (Bob)`."""
    found = [match[1] for match in COMMENT.finditer(text) if match[1] is not None]
    if found and set("()") & set(COMMENT.sub("", text)):
        raise refused(name, "there is a comment in a comment", "write the name in quotes")
    comments = [str(_parsed("Subject", re.sub(r"\\(.)", r"\1", comment))) for comment in found]
    return " ".join([phrase, *(f"({text})" for text in comments)] if phrase else comments).strip()


def _subject(name: str, text: str) -> dict[str, Any]:
    return {"subject": str(_parsed(name, text))}


def _identifiers(name: str, text: str) -> Iterator[str]:
    found = IDENTIFIER.findall(text)
    if IDENTIFIER.sub("", text).strip(" ,"):
        raise refused(name, f"{text!r} is no list of Message-IDs")
    yield from found


def _in_reply_to(name: str, text: str) -> dict[str, Any]:
    found = list(_identifiers(name, text))
    if len(found) > 1:
        raise refused(name, "it names several messages, and a message follows one")
    return {"in_reply_to": found[0]} if found else {}


def _references(name: str, text: str) -> dict[str, Any]:
    return {"references": list(_identifiers(name, text))}


def _nobody(name: str, text: str) -> dict[str, Any]:
    if _addresses(name, text):
        raise refused(
            name, "a message has one recipient", "send it once to each, without this field"
        )
    return {}


def _sender(name: str, text: str) -> dict[str, Any]:
    return {"sender": [address.addr_spec for address in _addresses(name, text)]}


def _check_sender(content: dict[str, Any], given: Mapping[str, object]) -> None:
    """Refuse a Sender that is another than From: mail is signed and judged by From alone."""
    author = str({**content, **given}.get("from", ""))
    for sender in content.pop("sender", []):
        if folded(sender) != folded(author):
            raise refused("Sender", "it is another address than From", "remove it from the file")


READERS: dict[str, tuple[str, Callable[[str, str], dict[str, Any]]]] = {
    "from": ("from", _address("from")),
    "to": ("to", _address("to")),
    "reply-to": ("reply_to", _address("reply_to")),
    "subject": ("subject", _subject),
    "in-reply-to": ("in_reply_to", _in_reply_to),
    "references": ("references", _references),
    "cc": ("cc", _nobody),
    "bcc": ("bcc", _nobody),
    "sender": ("sender", _sender),
    **dict.fromkeys(OF_THE_BODY, ("", lambda *_: {})),
}
"""By field: the API's field, and what reads it."""
