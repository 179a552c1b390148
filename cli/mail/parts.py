"""Reads the body of a mail file: text, HTML, pictures and files."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import errors
from email.message import EmailMessage
from typing import Any

from cli.faults import PART_REFUSED
from cli.mail.charsets import decoded
from cli.mail.flowed import unflowed
from kit.faults import Fault

CONTAINERS = ("multipart/mixed", "multipart/related", "multipart/alternative")
WHY = {
    "multipart/signed": "the mail is composed again, so its signature would not fit",
    "multipart/encrypted": "the mail is composed again, which encrypted content does not allow",
    "application/pkcs7-mime": "signed and encrypted mail (S/MIME) cannot be composed again",
    "application/x-pkcs7-mime": "signed and encrypted mail (S/MIME) cannot be composed again",
    "message/rfc822": "a mail inside a mail must not be encoded (RFC 2046 section 5.2.1)",
}
BROKEN = {
    errors.NoBoundaryInMultipartDefect: "it has no boundary",
    errors.StartBoundaryNotFoundDefect: "its first boundary is missing",
    errors.CloseBoundaryNotFoundDefect: "its last boundary is missing: the file may be cut",
    errors.MissingHeaderBodySeparatorDefect: "a line among its header fields is none",
    errors.FirstHeaderLineIsContinuationDefect: "its first line continues nothing",
    errors.MisplacedEnvelopeHeaderDefect: "a line of an mbox is among its header fields",
    errors.InvalidMultipartContentTransferEncodingDefect: "a multipart must not be encoded",
}
"""Defects with which something of a part is lost."""
SENT = ("type", "transfer-encoding", "disposition", "id")
FIELDS = {"mime-version", *(f"content-{name}" for name in SENT)}
"""Header fields of a part that are sent, in whatever form."""
ENCODINGS = ("", "7bit", "8bit", "binary", "quoted-printable", "base64")


@dataclass
class Body:
    """What was found in a mail."""

    text: str | None = None
    html: str | None = None
    attachments: list[dict[str, Any]] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    """Names of header fields of parts that a message does not have."""

    def content(self) -> dict[str, Any]:
        """Return the fields of the API."""
        bodies = {"text": self.text, "html": self.html}
        content: dict[str, Any] = {k: v for k, v in bodies.items() if v is not None}
        if self.attachments:
            content["attachments"] = [self._placed(item) for item in self.attachments]
        return content

    def _placed(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return an attachment; only a picture that the HTML shows has a content id."""
        shown = self.html is not None and f"cid:{item.get('content_id')}" in self.html
        return item if shown else {k: v for k, v in item.items() if k != "content_id"}


def read(mail: EmailMessage) -> Body:
    """Return text, HTML and attachments; raises PART_REFUSED."""
    body = Body()
    _read(mail, body, within="")
    return body


def _read(part: EmailMessage, body: Body, within: str) -> None:
    kind = part.get_content_type()
    for defect in part.defects:
        if type(defect) in BROKEN:
            raise _refused(part, BROKEN[type(defect)])
    if kind in CONTAINERS:
        for inner in _children(part):
            body.left_out |= {name for name in inner if name.lower() not in FIELDS}
            _read(inner, body, within=kind)
    elif kind in WHY or part.get_content_maintype() in ("multipart", "message"):
        raise _refused(part, WHY.get(kind, "a message has no such part"))
    elif _is_body(part, kind):
        _add_body(part, kind, body, within)
    elif within == "multipart/alternative":
        raise _refused(part, "a message has text and HTML as alternatives, and no other")
    else:
        body.attachments.append(_attachment(part, kind, within))


def _children(part: EmailMessage) -> Iterator[EmailMessage]:
    payload = part.get_payload()
    if not isinstance(payload, list):
        raise _refused(part, "it has no parts")
    for inner in payload:
        assert isinstance(inner, EmailMessage)  # noqa: S101 - the class of the policy
        yield inner


def _is_body(part: EmailMessage, kind: str) -> bool:
    is_file = part.get_content_disposition() == "attachment" or _filename(part)
    return kind in ("text/plain", "text/html") and not is_file


def _add_body(part: EmailMessage, kind: str, body: Body, within: str) -> None:
    content = _text(part)
    if kind == "text/html":
        if body.html is not None:
            raise _refused(part, "a message has one HTML body, and this is the second")
        body.html = content
    elif body.text is None:
        body.text = content
    elif body.html is None and within == "multipart/mixed":
        body.text += content if body.text.endswith("\n") else f"\n{content}"
    else:
        raise _refused(part, "a message has one text beside its HTML, and this is the second")


def _text(part: EmailMessage) -> str:
    parameters = _parameters(part)
    try:
        text = decoded(_bytes(part), parameters.get("charset", ""))
    except UnicodeError:
        label = parameters.get("charset") or "UTF-8"
        raise _refused(part, f"it is not in its charset {label}") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if parameters.get("format", "").lower() == "flowed":
        return unflowed(text, delete_space=parameters.get("delsp", "").lower() == "yes")
    return text


def _attachment(part: EmailMessage, kind: str, within: str) -> dict[str, Any]:
    parameters = {k: v for k, v in _parameters(part).items() if k not in ("name", "boundary")}
    written = "".join(f"; {key}={_quoted(value)}" for key, value in parameters.items())
    item = {
        "content": base64.b64encode(_bytes(part)).decode(),
        "content_type": kind + written,
    }
    filename = _filename(part)
    if filename:
        if "\ufffd" in filename:
            raise _refused(part, "characters of its file name cannot be decoded")
        item["filename"] = filename
    content_id = str(part.get("Content-ID", "")).strip().removeprefix("<").removesuffix(">")
    if content_id:
        item["content_id"] = content_id
    elif within == "multipart/related" and "Content-Location" in part:
        raise _refused(part, "the HTML shows it by Content-Location, and a message by Content-ID")
    return item


def _filename(part: EmailMessage) -> str:
    """Return a part's file name; the library's `get_filename` takes `<>` and blanks from it."""
    disposition = _parameters(part, "Content-Disposition")
    return disposition.get("filename") or _parameters(part).get("name", "")


def _parameters(part: EmailMessage, name: str = "Content-Type") -> dict[str, str]:
    """Return the parameters of a field, by their names in lower case."""
    header = part[name]
    return {} if header is None else {k.lower(): str(v) for k, v in header.params.items()}


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9_.+-]+", value) else f'"{value}"'


def _bytes(part: EmailMessage) -> bytes:
    """Return the content of a part, decoded without loss."""
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if encoding not in ENCODINGS:
        raise _refused(part, f"its Content-Transfer-Encoding {encoding} is unknown")
    if encoding != "base64":
        raw = part.get_payload(decode=True)
        return raw if isinstance(raw, bytes) else b""
    content = re.sub(r"[ \t\r\n]", "", str(part.get_payload())).rstrip("=")
    try:
        return base64.b64decode(content + "=" * (-len(content) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _refused(part, "it is no base64") from None


def _refused(part: EmailMessage, reason: str) -> Fault:
    filename = _filename(part)
    name = f"{part.get_content_type()} {filename!a}" if filename else part.get_content_type()
    return PART_REFUSED(name=name, reason=reason)
