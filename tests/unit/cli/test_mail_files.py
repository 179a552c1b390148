"""Mail files as mail programs write them: `penguin send -f` sends all of it, or refuses by name."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cli.faults import HEADER_REFUSED, MAIL_REFUSED, PART_REFUSED
from cli.mail.file import read
from sender.schemas import OutgoingMessage
from tests.support.faults import fault_shown
from tests.unit.sender.test_compose_and_sign import TEXT, message, written

HEAD = b"From: sales@acme.example\nTo: bob@rcpt.example\nSubject: Hi\n"
TEXT_PART = b"Content-Type: text/plain\n\nHello"
HTML_PART = b'Content-Type: text/html\n\n<img src="cid:logo@acme">'
PICTURE = (
    b"Content-Type: image/png\nContent-ID: <logo@acme>\nContent-Transfer-Encoding: base64\n\nAAAA"
)
PDF = (
    b"Content-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n"
    b"Content-Transfer-Encoding: base64\n\nJVBERg=="
)
CALENDAR = b"Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR"

Send = Callable[..., dict[str, Any]]


def multipart(kind: str, *parts: bytes) -> bytes:
    head = f"MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=B\n\n".encode()
    return HEAD + head + b"".join(b"--B\n" + part + b"\n" for part in parts) + b"--B--\n"


def text(parameters: str, content: bytes, encoding: str = "8bit") -> bytes:
    head = f"Content-Type: text/plain{parameters}\nContent-Transfer-Encoding: {encoding}\n\n"
    return HEAD + head.encode() + content


def subject(raw: bytes) -> bytes:
    return HEAD.replace(b"Hi", raw) + b"\nHello"


@pytest.fixture
def content(tmp_path: Path) -> Send:
    """Read a file as `penguin send -f` does, and hold the result to the API's schema."""

    def content(raw: bytes, options: Mapping[str, object] = {}) -> dict[str, Any]:
        path = tmp_path / "mail.eml"
        path.write_bytes(raw)
        found = {**read(path, options)[0], **options}
        OutgoingMessage.model_validate(found)
        return found

    return content


PLAIN = HEAD + b"\nHello\n"


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN,
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.replace(b"\n", b"\r"),
        b"\n\r\n" + PLAIN,
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.decode().encode("utf-16"),
        b"From sales Mon Jan  1 00:00:00 2026\n" + PLAIN,
    ],
    ids=["LF", "CRLF", "CR", "empty lines", "BOM", "UTF-16", "mbox"],
)
def test_file_of_any_line_end_and_beginning_is_read(content: Send, raw: bytes) -> None:
    found = content(raw)
    assert found.pop("text").strip() == "Hello"
    assert found == {"from": "sales@acme.example", "to": "bob@rcpt.example", "subject": "Hi"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (text("; charset=utf8mb4", "Grüße".encode()), "Grüße"),
        (text("; charset=cp-850", b"Gr\x81\xe1e"), "Grüße"),
        (text("; charset=x-unknown", "Grüße".encode()), "Grüße"),
        (text('; charset=""', "Grüße".encode()), "Grüße"),
        (text('; charset="utf-8', "Grüße".encode()), "Grüße"),
        (text("; charset=us-ascii", "Grüße".encode()), "Grüße"),
        (text("; charset=rot13", b"Hello"), "Hello"),
        (text("; charset=iso-8859-1", b"\x93Gr\xfc\xdfe\x94"), "“Grüße”"),
        (text("; charset=utf-16", b"//5IAGkA", "base64"), "Hi"),
        (text("; charset=gb2312", "朱镕基".encode("gbk")), "朱镕基"),
        (text("; charset=ks_c_5601-1987", "펲".encode("cp949")), "펲"),
        (text("; charset=iso-2022-jp", "日本".encode("iso-2022-jp"), "7bit"), "日本"),
        (text("; charset=shift_jis", "①".encode("cp932")), "①"),
        (text("; charset=utf-7", b"Gr+APw-", "7bit"), "Grü"),
        (text("; charset=unicode-escape", rb"\u00fc", "7bit"), r"\u00fc"),
        (text("; charset=utf-8 (Unicode)", "Grüße".encode()), "Grüße"),
        (b"\xef\xbb\xbf" + text("; charset=utf-8", "Grüße".encode()), "Grüße"),
        (text("; format=flowed", b"a\x0cb \nc\n"), "a\x0cb c\n"),
        (HEAD + b"\n" + "Grüße".encode(), "Grüße"),
        (text("", b"Gr=C3=BC=C3=9Fe=\n =ZZ", "quoted-printable"), "Grüße =ZZ"),
        (text("", b"SGVs\n bG8", "base64"), "Hello"),
        (text("; format=flowed", b"a \nb\n> q \n> r\n-- \nMe\n"), "a b\n> q r\n-- \nMe\n"),
        (text("; format=flowed; delsp=yes", "日 \n本\n".encode()), "日本\n"),
        (multipart("mixed", TEXT_PART, TEXT_PART), "Hello\nHello"),
        (multipart("mixed", b"", PDF), ""),
        (multipart("alternative", TEXT_PART, HTML_PART), "Hello"),
    ],
)
def test_text_of_a_file_is_decoded(content: Send, raw: bytes, expected: str) -> None:
    assert content(raw)["text"] == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Grüße".encode(), "Grüße"),
        (b"Hello\n\tBob", "Hello Bob"),
        (b"Hello\r\n Bob", "Hello Bob"),
        (b"=?utf-8?q?Gr=C3=BC?= =?utf-8?q?=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?b?4oI=?= =?utf-8?b?rA==?=", "€"),
        (b"=?utf8mb4?b?R3LDvMOfZQ?=", "Grüße"),
        (b"=?cp-850?q?=81?=", "ü"),
        (b"=?x-unknown?q?=C3=BC?=", "ü"),
        (b"=?utf-8*de?q?=C3=BC?=", "ü"),
        (b"=?gb2312?b?6UY=?=", "镕"),
        (b"Re:=?utf-8?q?=C3=BC?=", "Re:ü"),
        (b"=?utf-8?q?a b?=", "a b"),
    ],
)
def test_subject_of_a_file_is_decoded(content: Send, raw: bytes, expected: str) -> None:
    assert content(subject(raw))["subject"] == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b'Reply-To: "Help, please" <h@acme.example>', {"reply_to_name": "Help, please"}),
        (b"Reply-To: =?utf-8?q?J=C3=B6rg?= <h@acme.example>", {"reply_to_name": "Jörg"}),
        (b'Reply-To: "=?utf-8?q?J=C3=B6rg?=" <h@acme.example>', {"reply_to_name": "Jörg"}),
        (b"Reply-To: h@acme.example (Help Desk)", {"reply_to_name": "Help Desk"}),
        (b"Reply-To: h@acme.example (=?utf-8?q?J=C3=B6rg?=)", {"reply_to_name": "Jörg"}),
        (b"Reply-To: Help (Europe) <h@acme.example>", {"reply_to_name": "Help (Europe)"}),
        (b'Reply-To: "Help (Europe)" <h@acme.example>', {"reply_to_name": "Help (Europe)"}),
        ("Reply-To: Jörg <h@acme.example>".encode(), {"reply_to_name": "Jörg"}),
        (b"Cc:\nBcc: undisclosed-recipients:;", {}),
        (b"Sender: Sales@ACME.example", {}),
        (b"In-Reply-To: <1@x.example>", {"in_reply_to": "<1@x.example>"}),
        (b"References: <1@x.example>\n <2@x>", {"references": ["<1@x.example>", "<2@x>"]}),
    ],
)
def test_field_of_a_file_is_sent(content: Send, field: bytes, expected: dict[str, Any]) -> None:
    found = content(HEAD + field + b"\n\nHello")
    assert found | expected == found


@pytest.mark.parametrize("cid", ["cid:logo@acme", "CID:logo%40acme", "cid:logo&#64;acme"])
def test_picture_that_the_html_shows_keeps_its_id(content: Send, cid: str) -> None:
    html = f"Content-Type: text/html\n\n<p style='background:url({cid})'>".encode()
    [picture] = content(multipart("related", html, PICTURE))["attachments"]
    assert picture["content_id"] == "logo@acme"


def test_pictures_and_files_of_a_file_are_sent(content: Send) -> None:
    found = content(multipart("related", HTML_PART, PICTURE))
    assert found["attachments"] == [
        {"content": "AAAA", "content_type": "image/png", "content_id": "logo@acme"}
    ]
    found = content(multipart("mixed", TEXT_PART, PICTURE, PDF, CALENDAR))
    assert found["attachments"] == [
        {"content": "AAAA", "content_type": "image/png"},
        {"content": "JVBERg==", "content_type": "application/pdf", "filename": "a.pdf"},
        {
            "content": base64.b64encode(b"BEGIN:VCALENDAR").decode(),
            "content_type": "text/calendar; method=REQUEST",
        },
    ]


@pytest.mark.parametrize(
    "name",
    [
        b'filename="=?utf-8?q?=C3=BC.pdf?="',
        'filename="ü.pdf"'.encode(),
        b"filename*=utf-8''%C3%BC.pdf",
        b"filename*0*=utf-8''%C3%BC;\n filename*1=.pdf",
        b"filename*=windows-1252''%FC.pdf",
        b"filename=u.pdf; filename*=utf-8''%C3%BC.pdf",
        b"filename=u.pdf; filename*0*=utf-8''%C3%BC; filename*1*=.pdf",
        b'filename="=?utf-8?q?=C3=BC?= =?utf-8?q?=2Epdf?="',
        b'filename="=?utf8mb4?q?=C3=BC=2Epdf?="; size=5;',
    ],
)
def test_name_of_a_file_in_any_form_is_read(content: Send, name: bytes) -> None:
    found = content(multipart("mixed", TEXT_PART, PDF.replace(b"filename=a.pdf", name)))
    assert found["attachments"][0]["filename"] == "ü.pdf"


@pytest.mark.parametrize(
    "name",
    [
        b"my offer.pdf",
        b"it's.pdf",
        b'"\xfc.pdf"',
        b"a.pdf; filename*=utf-8''%FC",
        b"a; filename*1=b",
    ],
)
def test_name_of_a_file_that_would_be_lost_is_refused(content: Send, name: bytes) -> None:
    with fault_shown(HEADER_REFUSED, name="Content-Disposition", reason=..., remedy=...):
        content(multipart("mixed", TEXT_PART, PDF.replace(b"a.pdf", name)))


def test_path_of_a_file_keeps_its_backslashes(content: Send) -> None:
    part = PDF.replace(b"a.pdf", rb'"C:\Offers\a \"b\".pdf"')
    found = content(multipart("mixed", TEXT_PART, part))
    assert found["attachments"][0]["filename"] == r'C:\Offers\a "b".pdf'


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("Cc", HEAD + b"Cc: eve@rcpt.example"),
        ("bcc", HEAD + b"bcc: eve@rcpt.example"),
        ("To", HEAD.replace(b"bob@rcpt.example", b"bob@rcpt.example, eve@rcpt.example")),
        ("To", HEAD.replace(b"bob@rcpt.example", b"All: bob@rcpt.example, eve@rcpt.example;")),
        ("To", HEAD.replace(b"bob@rcpt.example", b"<")),
        ("To", HEAD.replace(b"bob@rcpt.example", b"bob@rcpt.example and eve")),
        ("To", HEAD + b"To: eve@rcpt.example"),
        ("From", HEAD.replace(b"sales@acme.example", b"Doe, John <sales@acme.example>")),
        ("Reply-To", HEAD + b"Reply-To: a@acme.example, b@acme.example"),
        ("Reply-To", HEAD + b"Reply-To: a@acme.example\nReply-To: b@acme.example"),
        ("Sender", HEAD + b"Sender: boss@acme.example"),
        ("Subject", HEAD.replace(b"Hi", b"\xfc")),
        ("Subject", HEAD.replace(b"Hi", b"=?utf-8?q?=FF?=")),
        ("Subject", HEAD.replace(b"Hi", b"=?utf-8?b?!!?= offer")),
        ("To", HEAD.replace(b"bob@rcpt.example", b"Friends: bob@rcpt.example;")),
        ("To", HEAD.replace(b"bob@rcpt.example", b"bob@rcpt.example (a (b))")),
        ("To", HEAD.replace(b"bob@rcpt.example", b'"Bob <bob@rcpt.example>')),
        ("Subject", HEAD.replace(b"Hi", b"=?utf-7?q?+2AA-?=")),
        ("Content-Type", text(" charset=utf-8", b"Hello")),
        ("Content-Type", HEAD + b"Content-Type: text/html\nContent-Type: text/plain"),
        ("Content-Type", HEAD + b"Content-Type: multipart/mixed; boundary=----=_Part\n\n------=_"),
        ("In-Reply-To", HEAD + b"In-Reply-To: your mail of Monday"),
        ("References", HEAD + b"References: <1@x> and others"),
        ("Disposition-Notification-To", HEAD + b"Disposition-Notification-To: sales@acme.example"),
        ("Resent-To", HEAD + b"Resent-To: eve@rcpt.example"),
    ],
)  # fmt: skip
def test_field_that_cannot_be_sent_is_refused_by_name(
    content: Send, name: str, head: bytes
) -> None:
    with fault_shown(HEADER_REFUSED, name=name, reason=..., remedy=...):
        content(head + b"\n\nHello")


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("multipart/signed", multipart("signed", TEXT_PART, PDF)),
        ("multipart/encrypted", multipart("encrypted", TEXT_PART)),
        ("application/pkcs7-mime", HEAD + b"Content-Type: application/pkcs7-mime\n\nAAAA"),
        ("message/rfc822", multipart("mixed", b"Content-Type: message/rfc822\n\n" + PLAIN)),
        ("multipart/digest", multipart("digest", PLAIN)),
        ("text/calendar", multipart("alternative", TEXT_PART, CALENDAR)),
        ("text/html", multipart("mixed", HTML_PART, HTML_PART)),
        ("text/plain", multipart("alternative", TEXT_PART, HTML_PART, TEXT_PART)),
        ("text/plain", text("", b"\xfc")),
        ("text/plain", text("; charset=utf-8", b"\xfc")),
        ("text/plain", text("", b"SGVsbG8=\n-- \na list's footer", "base64")),
        ("text/plain", text("", b"Hello", "x-own")),
        ("text/plain", HEAD + b"this is no field\n\nHello"),
        ("multipart/mixed", multipart("mixed", TEXT_PART)[:-8]),
        ("multipart/mixed", HEAD + b"Content-Type: multipart/mixed\n\nHello"),
        ("text/plain", text("; charset=utf-7", b"+2AA-", "7bit")),
        ("text/plain", multipart("mixed", HTML_PART, TEXT_PART)),
        ("text/html", multipart("mixed", TEXT_PART, HTML_PART)),
        ("multipart/mixed", multipart("mixed", TEXT_PART) + b"-- \nour list\n"),
        ("text/plain", multipart("mixed", b"Content-Type: text/plain\n" + TEXT_PART)),
        ("text/plain", b"\xef\xbb\xbf" + text("; charset=windows-1252", "Grüße".encode())),
        (
            "image/png",
            multipart("related", HTML_PART, PICTURE.replace(b"ID: <", b"Location: <")),
        ),
    ],
)
def test_part_that_cannot_be_sent_is_refused_by_name(content: Send, name: str, raw: bytes) -> None:
    with fault_shown(PART_REFUSED, name=name, reason=...):
        content(raw)


def test_file_with_several_mails_is_refused(content: Send) -> None:
    mail = b"From sales Mon Jan  1 00:00:00 2026\n" + PLAIN + b"\n"
    assert content(mail + b"From now on\n")["text"] == "Hello\n\nFrom now on\n"
    with fault_shown(MAIL_REFUSED, reason="it holds several mails (mbox)"):
        content(mail + mail)


def test_file_nested_too_deeply_is_refused(content: Send) -> None:
    levels = (
        f"Content-Type: multipart/mixed; boundary=B{n}\n\n--B{n}\n".encode() for n in range(1100)
    )
    with fault_shown(MAIL_REFUSED, reason="its parts are nested too deeply"):
        content(HEAD + b"".join(levels))


def test_fields_of_mail_programs_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    part = PDF.replace(b"Content-ID", b"")
    part = part.replace(b"=a.pdf", b"=a.pdf; size=4")
    raw = multipart("mixed", TEXT_PART, b"Content-Description: A list\n" + part)
    raw = raw.replace(b"\n\n--B", b"\n\nThis is a message in MIME format.\n--B", 1)
    path.write_bytes(b"Date: today\nX-Mailer: Outlook\n" + raw)
    assert read(path, {})[1] == {
        "Date",
        "X-Mailer",
        "Content-Description",
        "size of Content-Disposition",
        "text before the first part",
    }


def test_recipient_of_an_option_replaces_those_of_the_file(content: Send) -> None:
    raw = HEAD.replace(b"bob@rcpt.example", b"a@rcpt.example, b@rcpt.example") + b"\nHello"
    assert content(raw, {"to": "c@rcpt.example"})["to"] == "c@rcpt.example"


FILES = st.fixed_dictionaries(
    {
        "content": st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()),
        "content_type": st.sampled_from(
            ["application/pdf", "text/csv; charset=utf-8", 'text/calendar; method="A B"']
        ),
    },
    optional={"filename": TEXT.filter(lambda name: name.strip(" ") == name != "")},
)


LONG_NAME = {
    "content": "",
    "content_type": "application/pdf",
    "filename": ":::\xa0\xa0\xa0\U00010000\U00010000",
}
"""Percent-encoded, it is longer than a line."""


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(FILES, max_size=3),
    html=st.none() | st.just('<img src="cid:logo@acme.example">'),
    references=st.lists(st.sampled_from(["<1@x>", f"<{'y' * 230}@x.example>"]), max_size=5),
)
@example(files=[LONG_NAME], html=None, references=[])
def test_message_composed_is_read_back(
    tmp_path: Path, files: list[dict[str, Any]], html: str | None, references: list[str]
) -> None:
    picture = {"content": "AAAA", "content_type": "image/png", "content_id": "logo@acme.example"}
    attachments = [picture, *files] if html else files
    outgoing = message(
        html=html,
        attachments=attachments,
        references=references,
        in_reply_to=references[-1] if references else None,
        reply_to="help@acme.example",
        reply_to_name="Jörg, Hilfe",
    )
    path = tmp_path / "mail.eml"
    path.write_bytes(written(outgoing.model_copy(update={"transactional": True})))
    found = OutgoingMessage.model_validate(read(path, {})[0])
    assert found.html == (f"{html}\n" if html else None)
    assert found.model_copy(update={"html": html}) == outgoing


def test_message_of_a_campaign_is_read_back_with_its_footer(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(written(message(text="Hello")))
    content, left_out = read(path, {})
    assert str(content["text"]).startswith("Hello\n\nYou can unsubscribe at any time: https://")
    assert {"List-Id", "List-Unsubscribe", "Feedback-ID"} <= set(left_out)
