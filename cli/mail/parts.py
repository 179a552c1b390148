"""Reads the body of a mail file: text, HTML, pictures and files."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import errors
from email.message import EmailMessage
from html import unescape
from typing import Any
from urllib.parse import unquote

from cli.faults import PART_REFUSED
from cli.mail.charsets import codec_of, decoded
from cli.mail.flowed import unflowed
from kit.faults import Fault

BODIES = {"text/plain": "text", "text/html": "html"}
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
SHOWN = re.compile(r"cid:([^\s\"'<>)]+)", re.IGNORECASE)
"""A picture in HTML (RFC 2392)."""
ENCODINGS = ("", "7bit", "8bit", "binary", "quoted-printable", "base64")


@dataclass
class Body:
    """What was found in a mail."""

    is_unicode: bool
    """Whether the whole file was saved as Unicode, whatever charsets its parts name."""
    texts: dict[str, str] = field(default_factory=dict)
    """By the fields of the API: `text`, `html`."""
    is_choice: bool = False
    """Whether the first of them is one of several alternatives."""
    attachments: list[dict[str, Any]] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    """Names of what a message does not have: header fields of parts, parameters."""

    def content(self) -> dict[str, Any]:
        """Return the fields of the API."""
        if not self.attachments:
            return dict(self.texts)
        shown = {unquote(unescape(cid)) for cid in SHOWN.findall(self.texts.get("html", ""))}
        for item in self.attachments:
            if item.get("content_id") not in shown:  # then it is a file, and no picture
                item.pop("content_id", None)
        return {**self.texts, "attachments": self.attachments}


def read(mail: EmailMessage, *, is_unicode: bool) -> Body:
    """Return text, HTML and attachments; raises PART_REFUSED."""
    body = Body(is_unicode)
    _read(mail, body, within=("",))
    return body


def _read(part: EmailMessage, body: Body, within: tuple[str, ...]) -> None:
    kind = _kind(part)
    for defect in part.defects:
        if type(defect) in BROKEN:
            raise _refused(part, BROKEN[type(defect)])
    if kind in CONTAINERS:
        if (part.epilogue or "").strip():
            raise _refused(part, "there is text after its last boundary, which nobody would see")
        if (part.preamble or "").strip():
            body.left_out.add("text before the first part")
        for inner in _children(part):
            names = Counter(name.lower() for name in inner)
            if any(names[name] > 1 for name in FIELDS):
                raise _refused(inner, "one of its header fields is there twice")
            body.left_out |= {name for name in inner if name.lower() not in FIELDS}
            _read(inner, body, (*within, kind))
    elif kind in WHY or kind.startswith(("multipart/", "message/")):
        raise _refused(part, WHY.get(kind, "a message has no such part"))
    elif body.is_unicode and not _is_intact(part, kind):
        raise _refused(part, "it has another charset than the file, which was saved as Unicode")
    elif _is_body(part, kind):
        _add_body(part, kind, body, within)
    elif within[-1] == "multipart/alternative":
        raise _refused(part, "a message has text and HTML as alternatives, and no other")
    else:
        body.attachments.append(_attachment(part, kind, within))
        notes = _parameters(part, "Content-Disposition").keys() - {"filename"}
        body.left_out |= {f"{name} of Content-Disposition" for name in notes}


def _kind(part: EmailMessage) -> str:
    """Return the media type of a part; the library's `get_content_type` leaves comments in it."""
    header = part["Content-Type"]
    return str(part.get_default_type() if header is None else header.content_type)


def _is_intact(part: EmailMessage, kind: str) -> bool:
    """Return whether a part is still right in a file that was saved as Unicode."""
    is_encoded = _encoding(part) in ("quoted-printable", "base64")
    charset = codec_of(_parameters(part).get("charset", ""))
    is_utf_8 = kind.startswith("text/") and charset == "utf-8"
    return is_encoded or is_utf_8 or _bytes(part).isascii()


def _children(part: EmailMessage) -> Iterator[EmailMessage]:
    payload = part.get_payload()
    if not isinstance(payload, list):
        raise _refused(part, "it has no parts")
    for inner in payload:
        assert isinstance(inner, EmailMessage)  # noqa: S101 - the class of the policy
        yield inner


def _is_body(part: EmailMessage, kind: str) -> bool:
    is_file = part.get_content_disposition() == "attachment" or _filename(part)
    return kind in BODIES and not is_file


def _add_body(part: EmailMessage, kind: str, body: Body, within: tuple[str, ...]) -> None:
    name, content = BODIES[kind], _text(part)
    is_choice = "multipart/alternative" in within
    if name in body.texts:
        if [*body.texts, within[-1]] != ["text", "multipart/mixed"]:
            raise _refused(part, f"it is the second {kind}, and a message has one of each kind")
        before = body.texts[name]
        content = f"{before}{content}" if before.endswith("\n") else f"{before}\n{content}"
    elif body.texts and not (is_choice and body.is_choice):
        raise _refused(part, "text and HTML of a message are alternatives, and these are not")
    elif not body.texts:
        body.is_choice = is_choice
    body.texts[name] = content


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


def _attachment(part: EmailMessage, kind: str, within: tuple[str, ...]) -> dict[str, Any]:
    parameters = {k: v for k, v in _parameters(part).items() if k not in ("name", "boundary")}
    written = "".join(f"; {key}={_quoted(value)}" for key, value in parameters.items())
    item = {
        "content": base64.b64encode(_bytes(part)).decode(),
        "content_type": kind + written,
    }
    if filename := _filename(part):
        item["filename"] = filename
    content_id = str(part.get("Content-ID", "")).strip().removeprefix("<").removesuffix(">")
    if content_id:
        item["content_id"] = content_id
    elif within[-1] == "multipart/related" and "Content-Location" in part:
        raise _refused(part, "the HTML shows it by Content-Location, and a message by Content-ID")
    return item


def _filename(part: EmailMessage) -> str:
    """Return a part's file name; the library's `get_filename` takes `<>` and blanks from it."""
    disposition = _parameters(part, "Content-Disposition")
    return disposition.get("filename") or _parameters(part).get("name", "")


def _parameters(part: EmailMessage, name: str = "Content-Type") -> dict[str, str]:
    """Return the parameters of a field, by their names in lower case."""
    header = part[name]
    return {} if header is None else dict(header.params)


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9_.+-]+", value) else f'"{value}"'


def _encoding(part: EmailMessage) -> str:
    return str(part.get("Content-Transfer-Encoding", "")).strip().lower()


def _bytes(part: EmailMessage) -> bytes:
    """Return the content of a part, decoded without loss."""
    encoding = _encoding(part)
    if encoding not in ENCODINGS:
        raise _refused(part, f"its Content-Transfer-Encoding {encoding} is unknown")
    if encoding != "base64":
        raw = part.get_payload(decode=True)
        return raw if isinstance(raw, bytes) else b""
    try:
        content = re.sub(r"[ \t\r\n]", "", str(part.get_payload())).rstrip("=")
        return base64.b64decode(content + "=" * (-len(content) % 4), validate=True)
    except (LookupError, TypeError, ValueError):  # the library decodes what is beyond ASCII
        raise _refused(part, "it is no base64") from None


def _refused(part: EmailMessage, reason: str) -> Fault:
    filename = _filename(part)
    name = f"{part.get_content_type()} {filename!a}" if filename else part.get_content_type()
    return PART_REFUSED(name=name, reason=reason)
